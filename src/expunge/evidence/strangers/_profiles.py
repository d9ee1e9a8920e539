"""Profiles of images: numbers that say how an image looks to a model, and not which class it is."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from expunge.errors import EvidenceError
from expunge.evidence.measures._probabilities import neighbour_features
from expunge.tasks import Observed, View

NEIGHBOURS = 5
"""Number of an image's nearest retained classes that enter its profile one by one."""


def answer_profiles(
    view: View, classes: Sequence[int], retain: Sequence[int], images: int
) -> Float[Tensor, "classes images p"]:
    """Log-probabilities of the likeliest retained classes, highest first, then of all others together.

    Of a retained class its own column is struck, so that it is looked at as if it were to be forgotten.

    Args:
        view: What the model makes of the images; its test images are looked at.
        classes: The classes to look at.
        retain: Classes that stay, three at least.
        images: How many test images of each class are taken, the first ones.

    Raises:
        EvidenceError: There are fewer retained classes, or fewer images of one of `classes`.
    """
    count = _neighbours(retain)
    return torch.stack(
        [neighbour_features(_some(view.test, c, images).logits, [r for r in retain if r != c], count) for c in classes]
    )


def feature_profiles(
    view: View, classes: Sequence[int], retain: Sequence[int], images: int
) -> Float[Tensor, "classes images p"]:
    """Place of each image among the retained classes and its own, in float64.

    In order: the cosines to the centres of the nearest retained classes, highest first; the cosine to the centre of
    the other images of its own class; the log of its norm, in median norms of retained test images. Centres are means
    of attack images; cosines are seen from the mean of the centres. A retained class is none of its own neighbours.

    Args:
        view: What the model makes of the images; its test images are looked at.
        classes: The classes to look at.
        retain: Classes that stay; three of them at least have attack images, one has test images.
        images: How many test images of each class are taken, the first ones; two at least.

    Raises:
        EvidenceError: There are fewer retained classes, or fewer images of one of `classes`.
    """
    if images < 2:
        raise EvidenceError(f"Expected two test images of each class to take its centre, got {images}. Add images.")
    known = sorted(set(view.attack.labels.tolist()).intersection(retain))
    count = _neighbours(known)
    centres = torch.stack([view.attack.only([r]).embedding.double().mean(0) for r in known])
    origin = centres.mean(0)
    centres = functional.normalize(centres - origin, dim=1)
    usual = (view.test.only(retain).embedding.double() - origin).norm(dim=1).median().clamp_min(1e-12)
    profiles = []
    for c in classes:
        seen = _some(view.test, c, images).embedding.double() - origin
        others = [i for i, r in enumerate(known) if r != c]
        near = (functional.normalize(seen, dim=1) @ centres[others].T).topk(count, dim=1).values
        own = functional.cosine_similarity(seen, (seen.sum(0) - seen) / (images - 1), dim=1)
        norm = (seen.norm(dim=1) / usual).clamp_min(1e-12).log()
        profiles.append(torch.cat([near, own[:, None], norm[:, None]], 1))
    return torch.stack(profiles)


def _neighbours(retain: Sequence[int]) -> int:
    """As many neighbours for every class: of a retained one, one fewer is left, and one must stay for the others."""
    if len(retain) < 3:
        raise EvidenceError(f"Expected three retained classes at least, got {len(retain)}. Name more that stay.")
    return min(NEIGHBOURS, len(retain) - 2)


def _some(images: Observed, label: int, count: int) -> Observed:
    found = images.only([label])
    if len(found) < count or not count:
        raise EvidenceError(f"Expected {max(count, 1)} test images of class {label}, found {len(found)}. Add images.")
    return found.select(torch.arange(count))
