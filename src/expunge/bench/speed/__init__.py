"""Timing of methods, side by side in one run; `expunge bench speed` drives it."""

from expunge.bench.speed.results import Speed
from expunge.bench.speed.run import run_speed, write
from expunge.bench.speed.table import ratio

__all__ = [
    "Speed",
    "ratio",
    "run_speed",
    "write",
]
