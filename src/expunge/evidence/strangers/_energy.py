"""Energy distances between samples whose independent draws are classes, and Student's t to judge them by."""

from collections.abc import Sequence
from math import atan, cos, pi, sin, sqrt

import torch
from jaxtyping import Float
from torch import Tensor


def standardised(
    samples: Sequence[Float[Tensor, "_ _ p"]], by: Sequence[Float[Tensor, "_ _ p"]]
) -> list[Float[Tensor, "_ _ p"]]:
    """All samples less the mean of all images of `by`, in their standard deviations; 0 where these are."""
    pooled = torch.cat([sample.flatten(0, 1) for sample in by]).double()
    spread, centre = pooled.std(0, correction=0), pooled.mean(0)
    scale = torch.where(spread > 1e-9, spread, torch.inf)
    return [(sample.double() - centre) / scale for sample in samples]


def class_distances(first: Float[Tensor, "f n p"], second: Float[Tensor, "g m p"]) -> Float[Tensor, "f g"]:
    """The mean Euclidean distance of an image of one class from an image of the other, for each pair of classes."""
    rows = second.flatten(0, 1)
    return torch.stack([torch.cdist(one, rows).view(len(one), len(second), -1).mean((0, 2)) for one in first])


def between(distances: Float[Tensor, "f f"]) -> Float[Tensor, ""]:
    """The mean over pairs of two different classes."""
    f = len(distances)
    return (distances.sum() - distances.diagonal().sum()) / (f * (f - 1))


def between_without(distances: Float[Tensor, "f f"]) -> Float[Tensor, " f"]:
    """Values of `between` with each class left out in turn; of three classes at least."""
    f, others = len(distances), distances - distances.diagonal().diag()
    return (others.sum() - others.sum(0) - others.sum(1)) / ((f - 1) * (f - 2))


def student(t: float, freedom: int) -> float:
    """The probability that Student's t with `freedom` degrees is at most `t`.

    In closed form: M. Abramowitz and I. A. Stegun, Handbook of mathematical functions (1964), 26.7.3 and 26.7.4.
    """
    angle = atan(t / sqrt(freedom))
    odd = freedom % 2
    term, total = (cos(angle), 0.0) if odd else (1.0, 0.0)
    for power in range(1 + odd, freedom, 2):
        total += term
        term *= cos(angle) ** 2 * power / (power + 1)
    inside = 2 / pi * (angle + sin(angle) * total) if odd else sin(angle) * total
    return 0.5 + inside / 2
