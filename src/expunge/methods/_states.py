"""Hidden states of labelled images on their way up a model, all at the entry of one block."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from expunge.data import Images
from expunge.errors import TooFewImagesError
from expunge.methods._sensitivity import Rows
from expunge.methods._sites import Gain, Site, look, step
from expunge.tasks import ForgetTask
from expunge.tasks.classification import Context
from expunge.vision import VisionModel

BATCH = 100

HELD = 1 << 29
"""Bytes of a layer's inputs that are held, at all positions, until a change of the layer is known; those of images past
that are computed anew."""

DRAWN = 16
"""States of a class that are drawn from a memory, at the most."""


@dataclass(frozen=True, eq=False)
class SeenRows:
    """States of n images at a site, at k positions each.

    Attributes:
        inputs: What the layer's matrix is multiplied with.
        outputs: The residual stream after the block.
        means: The mean residual stream of each class that occurs, in ascending order, at all positions.
        following: What enters the next block; nothing after the last.
        plain: Whether that is the residual stream as it is.
        held: The same at all positions, of the first batches of images.
    """

    inputs: Float[Tensor, "nk m"]
    outputs: Float[Tensor, "nk d"]
    means: Float[Tensor, "classes t d"]
    following: Tensor | None
    plain: bool
    held: Sequence[Float[Tensor, "_ t m"]]


@dataclass(frozen=True, eq=False)
class States:
    """Hidden states of n images, on the model's device.

    Attributes:
        hidden: (n, ...) what enters a block.
        labels: (n,) classes.
    """

    hidden: Float[Tensor, "n *hidden"]
    labels: Int[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> tuple[int, ...]:
        """The classes that occur, ascending."""
        return tuple(self.labels.unique().tolist())

    @property
    def numbers(self) -> Int[Tensor, " n"]:
        """For each image the number of its class among those that occur, in ascending order."""
        return self.labels.unique(return_inverse=True)[1]

    @property
    def shares(self) -> Float[Tensor, " n"]:
        """Weight of each image such that all classes that occur count the same; the sum is 1."""
        numbers = self.numbers
        counts = numbers.bincount()
        return (1 / (len(counts) * counts[numbers])).to(self.hidden.dtype)

    def spread(self, n: int) -> "States":
        """At most n of them, evenly over the order, so over the classes."""
        rows = torch.linspace(0, len(self) - 1, min(n, len(self))).round().long()
        return States(self.hidden[rows], self.labels[rows])

    def look(self, model: VisionModel, site: Site, rows: Rows, *, hold: int = HELD) -> SeenRows:
        """States at the site whose block they enter; only the rows are kept of what is inside the block.

        Args:
            model: The model.
            site: The site.
            rows: The positions of each image that count.
            hold: Bytes of the layer's inputs to hold for `after`.
        """
        inputs, outputs, following, held = [], [], [], []
        means, plain = ClassMeans(self), True
        tokens = isinstance(model.layer(site.layer).module, nn.Linear)  # windows of all positions would fill the memory
        for hidden, part in zip(self.hidden.split(BATCH), rows.split(BATCH), strict=True):
            seen = look(model, site, hidden, None if tokens else part.positions)
            inputs.append(part.of(seen.inputs) if tokens else seen.inputs.flatten(0, 1))
            outputs.append(part.of(seen.outputs))
            means.add(seen.outputs)
            if seen.following is not None:
                following.append(seen.following)
                plain = plain and tokens and torch.equal(seen.following, seen.outputs)
                hold -= seen.inputs.nbytes
                if tokens and hold >= 0:
                    held.append(seen.inputs)
        entering = torch.cat(following) if following else None
        return SeenRows(torch.cat(inputs), torch.cat(outputs), means.of_all(), entering, plain, held)

    def after(
        self, model: VisionModel, site: Site, seen: SeenRows, change: Float[Tensor, "d m"], gain: Gain
    ) -> "States":
        """The same images at the entry of the next block, once `change` was added to the site's weight.

        Where the block hands on its output and adds what the layer writes, the sum is enough; else the block runs.
        """
        batches = self.hidden.split(BATCH)
        if gain.exact and seen.plain and seen.following is not None:
            following = seen.following.clone()
            for now, hidden, held in zip_longest(following.split(BATCH), batches, seen.held):
                now += (look(model, site, hidden).inputs if held is None else held) @ change.T * gain.values
            return States(following, self.labels)
        parts = [step(model, site, hidden) for hidden in batches]
        return States(torch.cat([part for part in parts if part is not None]), self.labels)


class ClassMeans:
    """The mean of each class that occurs, in ascending order, of values that come in batches."""

    def __init__(self, states: States):
        """Of values that come in the order of `states`."""
        self._numbers = states.numbers
        self._sums: Tensor | None = None
        self._taken = 0

    def add(self, values: Float[Tensor, "n t d"]) -> None:
        """Takes in the values of the next n images."""
        numbers = self._numbers[self._taken : self._taken + len(values)]
        self._taken += len(values)
        if self._sums is None:
            self._sums = values.new_zeros(int(self._numbers.max()) + 1, *values.shape[1:])
        self._sums.index_add_(0, numbers, values)

    def of_all(self) -> Float[Tensor, "classes t d"]:
        """The means, once all values are in; there is at least one."""
        assert self._sums is not None
        return self._sums / self._numbers.bincount()[:, None, None]


def class_means(values: Float[Tensor, "n t d"], states: States) -> Float[Tensor, "classes t d"]:
    """The mean of each class that occurs, in ascending order."""
    means = ClassMeans(states)
    means.add(values)
    return means.of_all()


def states_of(context: Context, task: ForgetTask[Images], most: int) -> tuple[States, States]:
    """States of the forget and of the retained classes where the context's cache enters the model.

    Retained classes that the memory knows come from there, the others from images. Forget classes come from both: a
    person's own photos may show them otherwise than the training images did.

    Args:
        context: The model, its cached hidden states, and the memory if there is one.
        task: The request.
        most: How many of each are looked at; every class has the same part of it at its disposal.
    """
    known = context.memory.known if context.memory else ()
    wanted = [label for label in known if label in task.targets]
    others = [label for label in known if label not in {*task.targets, *task.forgotten}]
    return (
        _together(_of_images(context, task.forget, most) + _of_memory(context, wanted, most), "to forget"),
        _together(
            _of_images(context, task.retain.without(others), most) + _of_memory(context, others, most), "to keep"
        ),
    )


def _together(parts: Sequence[States], what: str) -> States:
    if not parts:
        raise TooFewImagesError(f"expected images of the classes {what}, or a memory of them; there are neither")
    return States(torch.cat([part.hidden for part in parts]), torch.cat([part.labels for part in parts]))


def _of_images(context: Context, images: Images, most: int) -> list[States]:
    per_class = max(1, most // max(1, len(set(images.labels))))
    counts: Counter[int] = Counter()
    rows = []
    for row, label in enumerate(images.labels):
        counts[label] += 1
        if counts[label] <= per_class:
            rows.append(row)
    chosen = images.select(rows)
    cache = context.activations
    return [
        States(
            cache.hidden(chosen, batch), torch.tensor([chosen.labels[i] for i in batch], device=context.model.device)
        )
        for batch in cache.batches(chosen)
    ]


def _of_memory(context: Context, classes: Sequence[int], most: int) -> list[States]:
    """Draws states, and runs those taken below the cache's entry up to it."""
    if context.memory is None or not classes:
        return []
    hidden, labels = context.memory.sample(classes, min(DRAWN, max(1, most // len(classes))), context.seed)
    parts = []
    for part, of in zip(hidden.split(BATCH), labels.split(BATCH), strict=True):
        for block in range(context.memory.entry, context.activations.entry):
            part = context.model.advance(part, block)
        parts.append(States(part.to(context.model.device), of.to(context.model.device)))
    return parts
