"""Timing of methods, side by side in one run; `expunge bench speed` drives it."""

from expunge.bench.speed.run import run_speed, write

__all__ = [
    "run_speed",
    "write",
]
