"""How well a score tells two sets of images apart: area under the ROC curve, and hits at few false alarms."""

from math import sqrt
from statistics import NormalDist

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.errors import EvidenceError
from expunge.evidence.intervals import wilson
from expunge.evidence.protocol import Reading
from expunge.values import Interval, Rate


def auc(positive: Float[Tensor, " p"], negative: Float[Tensor, " q"]) -> float:
    """Chance that a random positive scores above a random negative, a tie counting half.

    The Mann-Whitney statistic, which is the area under the ROC curve (Hanley and McNeil, Radiology 143 (1982)).

    Args:
        positive: Scores of the images that should score high.
        negative: Scores of the others.

    Returns:
        From 0 to 1; 0.5 where the score says nothing.

    Raises:
        EvidenceError: One of the sides is empty.
    """
    _check(positive, negative)
    ordered = negative.sort().values
    below = torch.searchsorted(ordered, positive, right=False)
    upto = torch.searchsorted(ordered, positive, right=True)
    return float((below + upto).double().sum() / 2 / (len(positive) * len(negative)))


def auc_interval(area: float, positives: int, negatives: int, level: float = 0.95) -> Interval:
    """Score interval of an area under the ROC curve.

    All true areas θ with |area - θ| <= z sqrt(V(θ)), where V is Hanley and McNeil's variance with the mean of the two
    numbers of images in its inner terms. Unlike a bootstrap it does not shrink to nothing at 0 and 1, where attacks on
    few images end up.

    Source: R. G. Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney statistic.
    Part 2", Statistics in Medicine 25 (2006), method 5.

    Args:
        area: From 0 to 1.
        positives: Number of positives.
        negatives: Number of negatives.
        level: Confidence level.

    Returns:
        The interval in percent.
    """
    z = NormalDist().inv_cdf(0.5 + level / 2)
    spread = (positives + negatives) / 2 - 1

    def excluded(theta: float) -> bool:
        inner = 1 + spread * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return abs(area - theta) > z * sqrt(theta * (1 - theta) * inner / (positives * negatives))

    def end(outside: float) -> float:
        inside = area
        for _ in range(50):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if excluded(middle) else (middle, outside)
        return inside

    return Interval(100 * end(0.0), 100 * end(1.0))


def hits_at(positive: Float[Tensor, " p"], negative: Float[Tensor, " q"], false_alarms: float) -> Rate:
    """How many positives lie above a threshold that at most a share of the negatives lies above.

    The threshold is the lowest that keeps the share; with fewer negatives than 1 / share no negative may pass.
    Source: Carlini et al., "Membership Inference Attacks From First Principles", arXiv 2112.03570.

    Args:
        positive: Scores of the images that should score high.
        negative: Scores of the others.
        false_alarms: Greatest share of negatives above the threshold, from 0 to 1.

    Raises:
        EvidenceError: One of the sides is empty.
    """
    _check(positive, negative)
    allowed = int(false_alarms * len(negative) + 1e-9)
    threshold = negative.sort(descending=True).values[allowed] if allowed < len(negative) else -torch.inf
    return Rate(int((positive > threshold).sum()), len(positive))


def attack_readings(
    prefix: str, positive: Float[Tensor, " p"], negative: Float[Tensor, " q"], images: tuple[int, int] | None = None
) -> tuple[Reading, Reading]:
    """Two rows, `PREFIX_auc` and `PREFIX_tpr_at_fpr_1`, both in percent with intervals; to be compared with an oracle.

    Args:
        prefix: Beginning of the keys.
        positive: Scores of the images that the attack looks for.
        negative: Scores of the others.
        images: How many different images there are on either side, where some are scored more than once: their
            further scores are no further trials. By default each score is an image.
    """
    n, others = images or (len(positive), len(negative))
    area, rate = auc(positive, negative), hits_at(positive, negative, 0.01)
    around, hits = auc_interval(area, n, others), wilson(round(rate.hits * n / rate.n), n)
    return (
        Reading(f"{prefix}_auc", 100 * area, "%", n, around.low, around.high),
        Reading(f"{prefix}_tpr_at_fpr_1", rate.percent, "%", n, hits.low, hits.high),
    )


def _check(positive: Tensor, negative: Tensor) -> None:
    if not len(positive) or not len(negative):
        raise EvidenceError(
            f"Expected scores on both sides of an attack, got {len(positive)} positives and {len(negative)} negatives. "
            "Add images."
        )
