"""McNemar's test: are two models right equally often on the same images?"""

from dataclasses import dataclass
from math import comb, erfc, sqrt

FEW = 1_000
"""Up to so many discordant pairs the test is taken exactly."""


@dataclass(frozen=True, slots=True)
class McNemar:
    """McNemar's test of whether two models are right equally often, from the images where only one is right.

    Attributes:
        only_a: Images that A alone has right.
        only_b: Images that B alone has right.
        p: Two-sided p-value.
        exact: Whether it is that of the binomial distribution; else of chi-square with continuity correction.
    """

    only_a: int
    only_b: int
    p: float
    exact: bool


def mcnemar(only_a: int, only_b: int) -> McNemar:
    """McNemar's test from the two discordant counts.

    Exact, as twice the smaller tail of the binomial distribution with p = 1/2; above `FEW` pairs as chi-square with
    one degree of freedom, (|b - c| - 1)^2 / (b + c).

    Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions or
    percentages", Psychometrika 12 (1947), 153-157; continuity correction: A. L. Edwards, Psychometrika 13 (1948).
    """
    n, few = only_a + only_b, min(only_a, only_b)
    if n <= FEW:
        tail = sum(comb(n, k) for k in range(few + 1))
        return McNemar(only_a, only_b, min(1.0, 2 * tail / 2**n), exact=True)
    statistic = max(0, abs(only_a - only_b) - 1) ** 2 / n
    return McNemar(only_a, only_b, erfc(sqrt(statistic / 2)), exact=False)
