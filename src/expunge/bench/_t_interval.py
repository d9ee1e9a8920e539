"""Student's t: the interval of a mean over a handful of seeds."""

from collections.abc import Sequence
from functools import cache
from math import atan, cos, pi, sin, sqrt
from statistics import fmean, stdev

from expunge.errors import EvidenceError


def t_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """The t-interval of a mean: mean ± t · s / √k, with k - 1 degrees of freedom.

    It takes the values for independent draws from a normal distribution, which figures of few seeds cannot show and
    rates near 0 or 100 % are not; it is not cut off at the ends of a scale.

    Source: Student, "The probable error of a mean", Biometrika 6 (1908), 1-25.

    Args:
        values: At least two, in any unit; the interval has the same.
        level: Confidence level, between 0 and 1.

    Raises:
        EvidenceError: There are fewer than two values, or `level` is not between 0 and 1.
    """
    if len(values) < 2:
        raise EvidenceError(f"Expected at least two values for a t-interval, got {len(values)}. Run more seeds.")
    half = t_quantile(len(values) - 1, level) * stdev(values) / sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


@cache
def t_quantile(freedom: int, level: float = 0.95) -> float:
    """The t beyond which, on both sides together, a part of 1 - `level` lies; `freedom` in degrees, from 1.

    Raises:
        EvidenceError: `level` is not between 0 and 1.
    """
    if not 0.0 < level < 1.0:
        raise EvidenceError(f"Expected a confidence level between 0 and 1, got {level}. Use 0.95 for 95 %.")
    low, high = 0.0, 1.0
    while _within(high, freedom) < level:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < level else (low, middle)
    return high


def _within(t: float, freedom: int) -> float:
    """Probability of |T| < t; Abramowitz & Stegun, Handbook of Mathematical Functions (1964), 26.7.3 and 26.7.4."""
    angle = atan(t / sqrt(freedom))
    odd = freedom % 2
    term = cos(angle) if odd else 1.0
    total = 0.0
    for step in range(1 + odd, freedom, 2):
        total += term
        term *= cos(angle) ** 2 * step / (step + 1)
    return 2 / pi * (angle + sin(angle) * total) if odd else sin(angle) * total
