"""Confidence intervals: of proportions in closed form, of anything else by resampling."""

from collections.abc import Callable
from math import hypot, sqrt
from statistics import NormalDist

import torch
from jaxtyping import Float, Int
from torch import Tensor

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


LEAST_RESAMPLED = 5
"""Fewer images than this are drawn again and again alike: what varies over draws says little of the truth then."""


def ends(around: Interval, n: int) -> tuple[float, float] | tuple[None, None]:
    """The ends of an interval made by resampling `n` images; none of fewer than `LEAST_RESAMPLED`."""
    return (around.low, around.high) if n >= LEAST_RESAMPLED else (None, None)


def difference(first: float, n: int, second: float, m: int) -> Interval:
    """Interval of the difference of two independent proportions, each 0 to 1, of `n` and `m` trials; in percent.

    With p, q the two and (l, u) and (l', u') their Wilson intervals it reaches from p - q - √((p - l)² + (u' - q)²) to
    p - q + √((u - p)² + (q - l')²). Source: R. G. Newcombe, "Interval estimation for the difference between
    independent proportions", Statistics in Medicine 17 (1998), method 10. Of shares that are no whole number of hits,
    as means over classes are, the nearest number's interval is taken, widened to hold the share.
    """
    p, q = 100 * first, 100 * second
    a, b = wilson(round(first * n), n), wilson(round(second * m), m)
    (low, high), (least, most) = (min(a.low, p), max(a.high, p)), (min(b.low, q), max(b.high, q))
    return Interval(p - q - hypot(p - low, most - q), p - q + hypot(high - p, q - least))


def resample(n: int, *, seed: int, draws: int = 200) -> Int[Tensor, "{draws} {n}"]:
    """Images drawn with replacement: `draws` rows of `n` indices from 0 to n - 1.

    Raises:
        EvidenceError: There is no image or no draw.
    """
    if n < 1 or draws < 1:
        raise EvidenceError(f"Expected at least one image and one draw, got {n} and {draws}. Add images.")
    return torch.randint(n, (draws, n), generator=torch.Generator().manual_seed(seed))


def resample_counts(n: int, *, seed: int, draws: int = 200) -> Float[Tensor, "{draws} {n}"]:
    """Count of each image in each draw of `resample`, in float64; for statistics that are sums over images."""
    drawn = resample(n, seed=seed, draws=draws)
    return torch.zeros(draws, n, dtype=torch.float64).scatter_add(1, drawn, torch.ones(draws, n, dtype=torch.float64))


def percentiles(values: Float[Tensor, " draws"], level: float = 0.95) -> Interval:
    """The middle `level` of the values that a statistic took over draws, in its own unit.

    Args:
        values: One value a draw; NaN and infinite ones, where the statistic is undefined, are left out.
        level: Confidence level, between 0 and 1.

    Raises:
        EvidenceError: `level` is not between 0 and 1, or no value is defined.
    """
    if not 0.0 < level < 1.0:
        raise EvidenceError(f"Expected a confidence level between 0 and 1, got {level}. Use 0.95 for 95 %.")
    defined = values.double()[values.isfinite()]
    if not len(defined):
        raise EvidenceError("Expected a statistic that is defined for some draw of the images, got none. Add images.")
    tail = (1.0 - level) / 2
    low, high = torch.quantile(defined, torch.tensor([tail, 1.0 - tail], dtype=torch.float64)).tolist()
    return Interval(low, high)


def bootstrap(
    n: int,
    statistic: Callable[[Int[Tensor, " n"]], float],
    *,
    seed: int,
    draws: int = 200,
    level: float = 0.95,
) -> Interval:
    """The percentile bootstrap interval of a statistic over images.

    `draws` times, `n` images are drawn with replacement and the statistic is taken of them; the interval runs between
    the quantiles of what came out. A draw whose statistic is undefined (NaN or infinite) is left out.

    Source: B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7 (1979), 1-26.

    Args:
        n: Number of images.
        statistic: Given the indices of a draw, on the CPU, the number.
        seed: Seeds the draws.
        draws: How often to draw.
        level: Confidence level, between 0 and 1.

    Returns:
        The interval in the statistic's own unit.

    Raises:
        EvidenceError: There is no image or no draw, `level` is not between 0 and 1, or every draw is undefined.
    """
    drawn = resample(n, seed=seed, draws=draws)
    return percentiles(torch.tensor([float(statistic(rows)) for rows in drawn], dtype=torch.float64), level)


def bootstrap_mean(values: Float[Tensor, " n"], *, seed: int, draws: int = 200, level: float = 0.95) -> Interval:
    """The percentile bootstrap interval of a mean over images; see `bootstrap`.

    Args:
        values: One number an image; the images of a draw that are NaN or infinite make it undefined.
        seed: Seeds the draws.
        draws: How often to draw.
        level: Confidence level, between 0 and 1.

    Returns:
        The interval in the unit of `values`.

    Raises:
        EvidenceError: As `bootstrap`.
    """
    wide = values.detach().cpu().double()
    return bootstrap(len(wide), lambda drawn: float(wide[drawn].mean()), seed=seed, draws=draws, level=level)
