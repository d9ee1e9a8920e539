"""Confidence intervals of proportions."""

from math import sqrt
from statistics import NormalDist

from expunge.errors import EvidenceError
from expunge.values import Interval


def wilson(hits: int, n: int, level: float = 0.95) -> Interval:
    """The Wilson score interval of a proportion.

    All true rates p that a score test at this level does not reject:
    |hits/n - p| <= z * sqrt(p (1 - p) / n). Unlike the textbook interval it stays inside 0-100 %
    and is honest at rates of 0 and 1, where forgetting ends up.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    JASA 22 (1927), 209-212; recommended by Brown, Cai, DasGupta, Statistical Science 16 (2001).

    Args:
        hits: Number of successes, 0 to `n`.
        n: Number of trials. Without trials nothing is known: the interval is 0 to 100.
        level: Confidence level, between 0 and 1.

    Returns:
        The interval in percent.

    Raises:
        EvidenceError: `hits` is not between 0 and `n`, or `level` is not between 0 and 1.
    """
    if not 0 <= hits <= n:
        raise EvidenceError(f"Expected hits between 0 and n, got {hits} hits of {n}. Count the trials again.")
    if not 0.0 < level < 1.0:
        raise EvidenceError(f"Expected a confidence level between 0 and 1, got {level}. Use 0.95 for 95 %.")
    if n == 0:
        return Interval(0.0, 100.0)
    z = NormalDist().inv_cdf(0.5 + level / 2)
    rate = hits / n
    shrink = 1 + z * z / n
    centre = (rate + z * z / (2 * n)) / shrink
    half = z * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / shrink
    # The ends are exact at 0 and n hits; rounding must not move them off the scale.
    low = 0.0 if hits == 0 else max(0.0, centre - half)
    high = 1.0 if hits == n else min(1.0, centre + half)
    return Interval(100.0 * low, 100.0 * high)
