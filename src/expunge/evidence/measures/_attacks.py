"""Separation of two sets of images by a score: area under the ROC curve, and hits at few false alarms."""

from math import sqrt
from statistics import NormalDist

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from expunge.errors import EvidenceError
from expunge.evidence.protocol import Reading
from expunge.intervals import percentiles, resample, wilson
from expunge.values import Interval, Rate

ONE_PERCENT = 0.01
LEAST_NEGATIVES = 100
"""Fewer cannot show a share of 1 %."""

_DRAWS = 200


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
    """True-positive rate at the threshold that at most a share of the negatives lies above.

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
) -> tuple[Reading, ...]:
    """Rows `PREFIX_auc` and `PREFIX_tpr_at_fpr_1`, both in percent with intervals; to be compared with an oracle.

    With fewer than 100 negatives no false alarm at all would be allowed, which is not 1 %: there is no second row then.

    Args:
        prefix: Beginning of the keys.
        positive: Scores of the images that the attack looks for.
        negative: Scores of the others.
        images: How many different images there are on either side, where some are scored more than once, all of them
            in the same order each time: their further scores are no further trials. By default each score is an image.
    """
    n, others = images or (len(positive), len(negative))
    area = auc(positive, negative)
    around = auc_interval(area, n, others)
    first = Reading(f"{prefix}_auc", 100 * area, "%", n, around.low, around.high)
    if others < LEAST_NEGATIVES:
        return (first,)
    rate, hits = hits_at(positive, negative, ONE_PERCENT).percent, hits_interval(positive, negative, n, others)
    return (first, Reading(f"{prefix}_tpr_at_fpr_1", rate, "%", min(n, others), hits.low, hits.high))


def hits_interval(positive: Float[Tensor, " p"], negative: Float[Tensor, " q"], n: int, others: int) -> Interval:
    """Interval of the share of positives above the threshold of 1 % false alarms, in percent.

    The threshold is one of the highest few negatives, and as uncertain as they are: above the true one there may lie
    more or fewer than 1 % of them. So in each of 200 draws that number is drawn (binomial), the threshold set where it
    belongs, and the positives are drawn anew, image by image with all their scores. Between two negatives the lower
    end takes the higher threshold, above them all one that nobody passes: of fewer than 368 negatives none may lie
    above the true threshold in one of 40 cases, so their lower end is 0. Where hits are all or none every draw of
    positives says the same; there Wilson's interval is the wider one, and holds.

    Source: order statistics as confidence limits of a quantile, e.g. David and Nagaraja, Order Statistics (2003),
    section 7.1.

    Args:
        positive: Scores of the images that should score high.
        negative: Scores of the others.
        n: How many different images `positive` holds; their scores stand in rounds of all images.
        others: The same of `negative`.
    """
    passed, ranked = positive.reshape(-1, n), negative.sort(descending=True).values.double()
    above = (torch.rand(_DRAWS, others, generator=torch.Generator().manual_seed(0)) < ONE_PERCENT).sum(1)
    edges = functional.pad(functional.pad(ranked, (1, 0), value=torch.inf), (0, 1), value=-torch.inf)
    places = (above * len(negative)) // others
    lows, highs = [], []
    for rows, place in zip(resample(n, seed=1, draws=_DRAWS), places.tolist(), strict=True):
        drawn = passed[:, rows]
        lows.append(float((drawn > edges[place]).double().mean()))
        highs.append(float((drawn > edges[place + 1]).double().mean()))
    rate = hits_at(positive, negative, ONE_PERCENT)
    plain = wilson(round(rate.hits * n / rate.n), n)
    low, high = (percentiles(100 * torch.tensor(rates)) for rates in (lows, highs))
    return Interval(min(low.low, plain.low, rate.percent), max(high.high, plain.high, rate.percent))


def _check(positive: Tensor, negative: Tensor) -> None:
    if not len(positive) or not len(negative):
        raise EvidenceError(
            f"Expected scores on both sides of an attack, got {len(positive)} positives and {len(negative)} negatives. "
            "Add images."
        )
