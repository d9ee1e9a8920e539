"""Ranking of methods by one row: the best, and those that cannot be told from it."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from expunge.bench._t_interval import t_interval
from expunge.bench.aggregate import Estimate, Summary

SAME = 1e-9
"""Differences below this come from the order of additions."""

CLOSE = {"%": 2.0, "ratio": 0.1}
"""Unit -> how far from the best a method may be that ties with it. Over three seeds an interval holds zero also where
the mean is far off, as long as the seeds differ enough: what cannot be told apart for noise is not as good."""


def best(summary: Summary, key: str) -> frozenset[str]:
    """The best methods of a row, anchors aside; none where the row has no aim, or where all methods tie.

    Only methods with the most seeds take part: an interval over fewer would tie with nearly everything.

    Best is the highest or the lowest mean, as the row aims, or, where a row aims at the oracle, the smallest mean
    distance from oracle-scratch. A method ties with the best one if its mean is no further than `CLOSE` from it, and
    the 95 % t-interval of their paired difference, over the seeds that both have, holds zero. With one seed in common
    there is no such interval; then the 95 % intervals of their two readings must overlap, or, without intervals, the
    values be equal.
    """
    rivals = {method: summary.final[method, key] for method in summary.rivals if (method, key) in summary.final}
    known = {method: cost for method, estimate in rivals.items() if (cost := _costs(estimate))}
    most = max(map(len, known.values()), default=0)
    costs = {method: cost for method, cost in known.items() if len(cost) == most}
    if not costs:
        return frozenset()
    leader = min(sorted(costs), key=lambda method: sum(costs[method].values()) / len(costs[method]))
    tied = {m for m in costs if _tie(costs[m], costs[leader], rivals[m], rivals[leader])} | {leader}
    return frozenset() if len(tied) == len(costs) else frozenset(tied)


def _costs(estimate: Estimate) -> Mapping[int, float]:
    """Distance of each seed from what the row aims at, up to a constant; empty where that is unknown."""
    if estimate.aim == "oracle":
        return {seed: abs(gap) for seed, gap in estimate.gaps.items()}
    sign = {"low": 1.0, "high": -1.0}.get(estimate.aim)
    return {seed: sign * value for seed, value in estimate.by_seed.items()} if sign else {}


def _tie(ours: Mapping[int, float], best_: Mapping[int, float], one: Estimate, other: Estimate) -> bool:
    common = sorted(set(ours) & set(best_))
    differences = [ours[seed] - best_[seed] for seed in common]
    if not common or fmean(differences) > CLOSE.get(one.unit, float("inf")):
        return False
    if len(common) >= 2:
        low, high = t_interval(differences)
        return low <= SAME and high >= -SAME
    if None not in (one.low, one.high, other.low, other.high):
        return _overlap(_range(one), _range(other))
    return abs(differences[0]) <= SAME


def _range(estimate: Estimate) -> tuple[float, float]:
    """The interval of a reading, or of its distance from the oracle."""
    low, high = float(estimate.low or 0.0), float(estimate.high or 0.0)
    if estimate.aim != "oracle":
        return low, high
    oracle = estimate.mean - (estimate.gap or 0.0)
    ends = sorted((abs(low - oracle), abs(high - oracle)))
    return (0.0 if low <= oracle <= high else ends[0], ends[1])


def _overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]
