"""Strangers, and the lineup that a model makes of them and of its forgotten classes."""

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Generic, cast

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional

from expunge.data import E, Images
from expunge.errors import EvidenceError
from expunge.evidence.strangers.lineup import Lineup, images_each
from expunge.evidence.strangers.states import States
from expunge.tasks import Observed, View, task_of
from expunge.vision import Wrapped

_SAME = 1e-10
"""Embeddings whose cosine differs from 1 by less are of one image: another batch changes their last bits."""


@dataclass(frozen=True, eq=False)
class Strangers(Generic[E]):
    """Images of classes that no model under test has ever seen, or scenes with objects of such classes.

    Attributes:
        attack: Images an attacker may learn from, as training images are of classes that the model knows.
        test: Other images of the same classes.
        states: Hidden states of both, where no pictures of them are kept.

    Raises:
        EvidenceError: There is no class with images, or objects, of both kinds.
    """

    attack: E
    test: E
    states: States | None = None

    def __post_init__(self) -> None:
        if not self.usable:
            raise EvidenceError(
                "Expected strangers with training and test images, got no class that has both. Give a folder with "
                "train/<class>/* and test/<class>/*, or one in COCO's layout with boxes of each in train and in test."
            )

    @property
    def usable(self) -> tuple[int, ...]:
        """Classes with images, or objects, of both kinds, as numbered in `attack.classes`."""
        both = zip(self.attack.counts(), self.test.counts(), strict=True)
        return tuple(label for label, counts in enumerate(both) if all(counts))

    def refuse_known(self, classes: Collection[str], *, alone: bool = True) -> None:
        """Refuses strangers that bear the name of a class that the model knows.

        Args:
            classes: Names of the model's classes.
            alone: Whether an example shows one class alone; see `Task.alone`. Scenes may show classes of the model
                beside strangers: these help to say which query stands where, and count for nothing.

        Raises:
            EvidenceError: One does, or where they may stand beside strangers all of them do.
        """
        known = [self.attack.classes[label] for label in self.usable if self.attack.classes[label] in set(classes)]
        if known and (alone or len(known) == len(self.usable)):
            raise EvidenceError(
                f"Expected strangers to be classes that the model never saw, but {known[0]!r} is one of its classes. "
                + ("Take it out of the strangers." if alone else "Add classes of other names.")
            )

    def seen_by(self, cache: Any) -> View:
        """A model's view of them, and of nothing that it knows by name.

        Where only hidden states are kept, the view has no layers, and the model must be the one they were taken from,
        edited above them alone: see `States.refuse_other`.

        Args:
            cache: What the task's `caches` gave for the model.
        """
        if self.states is not None:
            return self.states.seen_by(cache.model, cast(Images, self.attack), cast(Images, self.test))
        task, known = task_of(cache.model), set(cache.model.classes)
        seen = View(task.observe(cache, self.attack), task.observe(cache, self.test))
        if task.alone:
            return seen
        new = [label for label, name in enumerate(self.attack.classes) if name not in known]
        return View(seen.attack.only(new), seen.test.only(new))


def line_up(
    model: Wrapped,
    seen: View,
    images: tuple[Any, Any],
    strangers: Strangers[Any],
    strangers_seen: View,
    *,
    retain: Sequence[int],
    forgotten: Sequence[int],
    seed: int = 0,
) -> Lineup | None:
    """Forgotten classes and strangers before the retained ones, with as many images each, or objects.

    A candidate's images are drawn down to what the poorest forgotten class has, or to what seven strangers of eight
    have if that is less; strangers that have fewer are left out. Of retained classes all are taken.

    Args:
        model: The model.
        seen: What it makes of `images`: one row an image, or an object in scenes.
        images: Attack and test images, or scenes, of all classes.
        strangers: The strangers.
        strangers_seen: What the model makes of them.
        retain: Classes that stay.
        forgotten: Classes to look at; those without attack or test images are left out.
        seed: Seeds which images are drawn, the same for every model of a comparison.

    Returns:
        None where no forgotten class, or no stranger, has images of both kinds.
    """
    ours = [_counts(part, len(images[0].classes)) for part in (seen.attack, seen.test)]
    theirs = [_counts(part, len(strangers.attack.classes)) for part in (strangers_seen.attack, strangers_seen.test)]
    gone = tuple(label for label in forgotten if all(counts[label] for counts in ours))
    there = [label for label in range(len(strangers.attack.classes)) if all(counts[label] for counts in theirs)]
    if not gone or not there:
        return None
    most = task_of(model).most_each
    fewest = [
        min(images_each([own[label] for label in gone], [other[label] for label in there]), most or sys.maxsize)
        for own, other in zip(ours, theirs, strict=True)
    ]
    kept = [s for s in there if all(other[s] >= few for other, few in zip(theirs, fewest, strict=True))]
    offset = len(images[0].classes)
    names = (*images[0].classes, *(f"stranger {name}" for name in strangers.attack.classes))
    parts, pictures = [], []
    for mine, own, other, others, few in zip(
        images, (seen.attack, seen.test), (strangers.attack, strangers.test),
        (strangers_seen.attack, strangers_seen.test), fewest, strict=True,
    ):  # fmt: skip
        rows = _rows(own.labels, gone, few, retain, seed)
        rest = _rows(others.labels, kept, few, (), seed)
        labels = (*own.labels[rows].tolist(), *(others.labels[rest] + offset).tolist())
        parts.append(_together(own, rows, others, rest, labels))
        pictured = isinstance(mine, Images) and isinstance(other, Images)
        samples = (*(mine.samples[i] for i in rows), *(other.samples[i] for i in rest)) if pictured else ()
        pictures.append(Images(samples, labels, names) if pictured else None)
    return Lineup(
        model=model,
        view=View(*parts),
        attack=pictures[0],
        test=pictures[1],
        retain=tuple(retain),
        forgotten=gone,
        strangers=tuple(label + offset for label in kept),
        seed=seed,
    )


def left_out(
    model: Wrapped,
    seen: View,
    images: tuple[Any, Any],
    *,
    retain: Sequence[int],
    forgotten: Sequence[int],
    seed: int = 0,
) -> Lineup | None:
    """A lineup where there are no strangers: half of the classes that stay, drawn by the seed, stand in their place.

    The other half are the rivals of all. Classes that stay are known, so this can say that a forgotten class is less
    known than they are, and never that it is as a class is that the model never saw.

    Returns:
        None where fewer than two classes with images are left for either half, or no forgotten class has images; and
        where examples show several classes at once, so that no class can stand aside.
    """
    attack, test = images
    there = [label for label in retain if attack.counts()[label] and test.counts()[label]]
    if len(there) < 4 or not task_of(model).alone:
        return None
    order = torch.randperm(len(there), generator=torch.Generator().manual_seed(seed)).tolist()
    placed, rivals = ([there[i] for i in sorted(half)] for half in (order[::2], order[1::2]))
    stand_ins = Strangers(attack.only(placed), test.only(placed))
    theirs = View(seen.attack.only(placed), seen.test.only(placed))
    return line_up(model, seen, images, stand_ins, theirs, retain=rivals, forgotten=forgotten, seed=seed)


def _counts(seen: Observed, classes: int) -> list[int]:
    return torch.bincount(seen.labels, minlength=classes).tolist()


def _rows(labels: Int[Tensor, " n"], candidates: Sequence[int], few: int, whole: Sequence[int], seed: int) -> list[int]:
    """Rows of `few` images of each candidate, drawn by the seed, and of all images of the classes in `whole`."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.isin(labels, torch.tensor(list(whole), dtype=labels.dtype)).nonzero().squeeze(1).tolist()
    for label in candidates:
        mine = (labels == label).nonzero().squeeze(1)
        chosen += mine[torch.randperm(len(mine), generator=generator)[:few]].tolist()
    return sorted(chosen)


def _together(first: Observed, rows: list[int], second: Observed, rest: list[int], labels: Sequence[int]) -> Observed:
    one, other = first.select(torch.tensor(rows)), second.select(torch.tensor(rest))
    layers = zip(one.layers, other.layers, strict=True) if len(one.layers) == len(other.layers) else ()
    return Observed(
        torch.cat([one.embedding, other.embedding]),
        torch.cat([one.logits, other.logits]),
        torch.tensor(labels, dtype=torch.int64),
        tuple(torch.cat(pair) for pair in layers),
    )


def refuse_shared(seen: View, strangers_seen: View) -> None:
    """Refuses a stranger's image that is one of the data, too: to a model, equal images are one embedding.

    Args:
        seen: What the original model makes of the data.
        strangers_seen: What it makes of the strangers.

    Raises:
        EvidenceError: There is such an image.
    """
    known = functional.normalize(torch.cat([seen.attack.embedding, seen.test.embedding]).double(), dim=1)
    theirs = functional.normalize(
        torch.cat([strangers_seen.attack.embedding, strangers_seen.test.embedding]).double(), dim=1
    )
    for part in theirs.split(500):
        if bool((part @ known.T > 1 - _SAME).any()):
            raise EvidenceError(
                "Expected strangers that are not in the data, but a stranger's image looks to the model just like one "
                "of the data. Take images of the model's own classes out of the strangers."
            )
