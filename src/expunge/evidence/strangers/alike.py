"""Likeness of strangers to the model's own classes, as far as pictures alone tell.

The test beside strangers rests on classes being exchangeable. No model can check that, for it has learnt its classes
and not the strangers. Thumbnails can: nothing was learnt of them. So here the classes that stay are left out in turn
and held against the strangers, each among all the others.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from expunge.data import Images
from expunge.evidence.strangers._conformal import areas, separation
from expunge.evidence.strangers._thumbnails import thumbnails
from expunge.evidence.strangers.lineup import Lineup

MOST = 10
"""Images of a class that are looked at."""

LEVEL = 0.01
FAR = 0.25
"""Strangers are unlike where a difference is both beyond chance and this far from an area of one half. Of many classes
the test sees differences that do not matter."""


@dataclass(frozen=True, slots=True)
class Alike:
    """Likeness of strangers to the model's own classes.

    Attributes:
        p: p-value against "as like as classes are to each other", both sides looked at.
        furthest: The greatest distance of a row's area from one half, 0 to 0.5.
    """

    p: float
    furthest: float

    @property
    def holds(self) -> bool:
        """Whether strangers may stand for classes that the model never saw."""
        return self.p > LEVEL or self.furthest < FAR


def alike(lineup: Lineup) -> Alike | None:
    """Holds the strangers against the classes that stay, by thumbnails.

    Returns:
        None for a detector, whose objects are no pictures, and where fewer than two classes stay.
    """
    images = lineup.attack
    if images is None:
        return None
    there = set(images.labels)
    retained = [label for label in lineup.retain if label in there]
    if len(retained) < 2:
        return None
    rows = [row for label in (*lineup.strangers, *retained) for row in _some(images, label)]
    features = thumbnails(lineup.model, images.select(rows))
    labels = torch.tensor([images.labels[row] for row in rows])
    values = class_values(features, labels, (*lineup.strangers, *retained))
    told = separation(values, len(lineup.strangers), seed=lineup.seed)
    far = float((areas(values, len(lineup.strangers)) - 0.5).abs().max())
    return Alike(min(1.0, 2 * min(told.known, told.hole)), far)


def _some(images: Images, label: int) -> list[int]:
    return [row for row, other in enumerate(images.labels) if other == label][:MOST]


def class_values(
    features: Float[Tensor, "n d"], labels: Int[Tensor, " n"], classes: tuple[int, ...]
) -> Float[Tensor, "4 classes"]:
    """Four numbers of each class that say how it lies among the others.

    The rows: how many of its images have one of their own class nearest; how far its images lie from their centre; how
    far its centre lies from the nearest other one; and from the middle of all centres.
    """
    features = features.double()
    centres = torch.stack([features[labels == label].mean(0) for label in classes])
    between = torch.cdist(centres, centres).fill_diagonal_(torch.inf)
    pairs = torch.cdist(features, features).fill_diagonal_(torch.inf)
    found = labels[pairs.argmin(1)] == labels
    own = [labels == label for label in classes]
    return torch.stack(
        [
            torch.stack([found[mine].double().mean() for mine in own]),
            torch.stack(
                [(features[mine] - centre).norm(dim=1).mean() for mine, centre in zip(own, centres, strict=True)]
            ),
            between.amin(1),
            (centres - centres.mean(0)).norm(dim=1),
        ]
    )
