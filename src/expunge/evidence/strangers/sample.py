"""Images of strangers, and the lineup that a model makes of them and of its forgotten classes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional

from expunge.data import Images
from expunge.errors import EvidenceError
from expunge.evidence.strangers.lineup import Lineup, images_each
from expunge.evidence.strangers.states import States
from expunge.tasks.classification.views import view
from expunge.tasks.views import Observed, View
from expunge.vision import VisionModel

_SAME = 1e-10
"""Embeddings whose cosine differs from 1 by less are of one image: another batch changes their last bits."""


@dataclass(frozen=True, eq=False)
class Strangers:
    """Images of classes that no model under test has ever seen.

    Attributes:
        attack: Images an attacker may learn from, as training images are of classes that the model knows.
        test: Other images of the same classes.
        states: Hidden states of both, where no pictures of them are kept.

    Raises:
        EvidenceError: There is no class with images of both kinds.
    """

    attack: Images
    test: Images
    states: States | None = None

    def __post_init__(self) -> None:
        if not self.usable:
            raise EvidenceError(
                "Expected strangers with training and test images, got no class that has both. Give a folder with "
                "train/<class>/* and test/<class>/*."
            )

    @property
    def usable(self) -> tuple[int, ...]:
        """Classes with images of both kinds, as numbered in `attack.classes`."""
        return tuple(sorted(set(self.attack.labels) & set(self.test.labels)))

    def refuse_known(self, classes: Collection[str]) -> None:
        """Refuses strangers that bear the name of a class that the model knows.

        Raises:
            EvidenceError: One does.
        """
        known = [self.attack.classes[label] for label in self.usable if self.attack.classes[label] in set(classes)]
        if known:
            raise EvidenceError(
                f"Expected strangers to be classes that the model never saw, but {known[0]!r} is one of its classes. "
                "Take it out of the strangers."
            )

    def seen_by(self, model: VisionModel) -> View:
        """What a model makes of them.

        Where only hidden states are kept, the view has no layers, and the model must be the one they were taken from,
        edited above them alone: see `States.refuse_other`.
        """
        if self.states is None:
            return view(model, self.attack, self.test)
        return self.states.seen_by(model, self.attack, self.test)


def line_up(
    model: VisionModel,
    seen: View,
    images: tuple[Images, Images],
    strangers: Strangers,
    strangers_seen: View,
    *,
    retain: Sequence[int],
    forgotten: Sequence[int],
    seed: int = 0,
) -> Lineup | None:
    """Forgotten classes and strangers before the retained ones, with as many images each.

    A candidate's images are drawn down to what the poorest forgotten class has, or to what seven strangers of eight
    have if that is less; strangers that have fewer are left out.

    Args:
        model: The model.
        seen: What it makes of `images`.
        images: Attack and test images of all classes.
        strangers: The strangers.
        strangers_seen: What the model makes of them.
        retain: Classes that stay.
        forgotten: Classes to look at; those without attack or test images are left out.
        seed: Seeds which images are drawn, the same for every model of a comparison.

    Returns:
        None where no forgotten class has images of both kinds.
    """
    attack, test = images
    counts = attack.counts(), test.counts()
    gone = tuple(label for label in forgotten if counts[0][label] and counts[1][label])
    if not gone:
        return None
    theirs = strangers.attack.counts(), strangers.test.counts()
    fewest = [
        images_each([ours[label] for label in gone], [other[label] for label in strangers.usable])
        for ours, other in zip(counts, theirs, strict=True)
    ]
    kept = [s for s in strangers.usable if all(other[s] >= few for other, few in zip(theirs, fewest, strict=True))]
    offset = len(attack.classes)
    names = (*attack.classes, *(f"stranger {name}" for name in strangers.attack.classes))
    parts = []
    for ours, own, other, others, few in zip(
        images, (seen.attack, seen.test), (strangers.attack, strangers.test),
        (strangers_seen.attack, strangers_seen.test), fewest, strict=True,
    ):  # fmt: skip
        rows = _rows(own.labels, gone, few, retain, seed)
        rest = _rows(others.labels, kept, few, (), seed)
        labels = tuple(ours.labels[i] for i in rows) + tuple(other.labels[i] + offset for i in rest)
        samples = tuple(ours.samples[i] for i in rows) + tuple(other.samples[i] for i in rest)
        parts.append((Images(samples, labels, names), _together(own, rows, others, rest, labels)))
    (attack, attack_seen), (test, test_seen) = parts
    return Lineup(
        model=model,
        view=View(attack_seen, test_seen),
        attack=attack,
        test=test,
        retain=tuple(retain),
        forgotten=gone,
        strangers=tuple(label + offset for label in kept),
        seed=seed,
    )


def left_out(
    model: VisionModel,
    seen: View,
    images: tuple[Images, Images],
    *,
    retain: Sequence[int],
    forgotten: Sequence[int],
    seed: int = 0,
) -> Lineup | None:
    """A lineup where there are no strangers: half of the classes that stay, drawn by the seed, stand in their place.

    The other half are the rivals of all. Classes that stay are known, so this can say that a forgotten class is less
    known than they are, and never that it is as a class is that the model never saw.

    Returns:
        None where fewer than two classes with images are left for either half, or no forgotten class has images.
    """
    attack, test = images
    there = [label for label in retain if attack.counts()[label] and test.counts()[label]]
    if len(there) < 4:
        return None
    order = torch.randperm(len(there), generator=torch.Generator().manual_seed(seed)).tolist()
    placed, rivals = ([there[i] for i in sorted(half)] for half in (order[::2], order[1::2]))
    stand_ins = Strangers(attack.only(placed), test.only(placed))
    theirs = View(seen.attack.only(placed), seen.test.only(placed))
    return line_up(model, seen, images, stand_ins, theirs, retain=rivals, forgotten=forgotten, seed=seed)


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
