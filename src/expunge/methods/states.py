"""Hidden states of labelled images on their way up a model, all at the entry of one block."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from expunge.data import Images
from expunge.errors import TooFewImagesError
from expunge.methods.sites import Gain, Seen, Site, look, step
from expunge.tasks.classification.context import Context
from expunge.tasks.request import ForgetTask
from expunge.vision import VisionModel

BATCH = 100

DRAWN = 16
"""States of a class that are drawn from a memory, at the most."""


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
        """What each image counts so that all classes that occur count the same; the sum is 1."""
        numbers = self.numbers
        counts = numbers.bincount()
        return (1 / (len(counts) * counts[numbers])).to(self.hidden.dtype)

    def spread(self, n: int) -> "States":
        """At most n of them, evenly over the order, so over the classes."""
        rows = torch.linspace(0, len(self) - 1, min(n, len(self))).round().long()
        return States(self.hidden[rows], self.labels[rows])

    def look(self, model: VisionModel, site: Site) -> Seen:
        """What they are at the site whose block they enter."""
        parts = [look(model, site, hidden) for hidden in self.hidden.split(BATCH)]
        following = [part.following for part in parts if part.following is not None]
        inputs, outputs = torch.cat([part.inputs for part in parts]), torch.cat([part.outputs for part in parts])
        return Seen(inputs, outputs, torch.cat(following) if following else None)

    def after(self, model: VisionModel, site: Site, seen: Seen, change: Float[Tensor, "d m"], gain: Gain) -> "States":
        """The same images at the entry of the next block, once `change` was added to the site's weight.

        Where the block hands on its output and adds what the layer writes, the sum is enough; else the block runs.
        """
        following = seen.following
        if gain.exact and following is not None and torch.equal(following, seen.outputs):
            return States(following + seen.inputs @ change.T * gain.values, self.labels)
        parts = [step(model, site, hidden) for hidden in self.hidden.split(BATCH)]
        return States(torch.cat([part for part in parts if part is not None]), self.labels)


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
