"""Distance of each method from the oracle, row by row: the numbers behind the heat map and the trade-off."""

from statistics import fmean

from expunge.bench._columns import Column, columns
from expunge.bench.aggregate import Summary

LEAST_SCALE = 10.0
"""Percentage points that a column's colours span at the least, so that noise does not look like a difference."""


def gap_columns(summary: Summary) -> tuple[Column, ...]:
    """Columns of the main table, costs aside, that have a gap to oracle-scratch."""
    with_gap = {key for (_, key), estimate in summary.final.items() if estimate.gaps and estimate.aim != "context"}
    return tuple(column for column in columns(summary.keys, summary.task) if column.key in with_gap and not column.cost)


def column_scale(summary: Summary, key: str) -> float:
    """The greatest distance from the oracle in a column; for rates at least `LEAST_SCALE` points."""
    column = [summary.final[method, key] for method in summary.methods if (method, key) in summary.final]
    greatest = max((abs(one.gap) for one in column if one.gap is not None), default=0.0)
    return max(greatest, LEAST_SCALE if column and column[0].unit == "%" else 1e-9)


def probe_distance(summary: Summary, method: str) -> dict[int, float]:
    """Seed -> mean |gap to oracle-scratch| over the rates that aim at the oracle, in percentage points.

    Only rows that every method with figures has take part, so that all are judged by the same ones; empty if `method`
    has none. Rows taken again at eight bits are left out: they would count the same twice.
    """
    rows = [column.key for column in gap_columns(summary) if not column.key.startswith("int8_")]
    measured = {m for m, _ in summary.final}
    rows = [key for key in rows if all(_is_probe(summary, m, key) for m in measured)]
    gaps = [summary.final[method, key].gaps for key in rows] if method in measured else []
    seeds = sorted(set.intersection(*(set(gap) for gap in gaps))) if gaps else []
    return {seed: fmean(abs(gap[seed]) for gap in gaps) for seed in seeds}


def _is_probe(summary: Summary, method: str, key: str) -> bool:
    estimate = summary.final.get((method, key))
    return estimate is not None and estimate.aim == "oracle" and estimate.unit == "%"
