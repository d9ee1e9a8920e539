"""One run of one method, and the run that stands for several."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimedRun:
    """Timing of one run; the fields are those of `expunge.bench.speed.results.Timing`."""

    seconds: float
    peak_mb: float | None
    images_read: int
    forward: float
    backward: float
    setup_seconds: float = 0.0
    step_seconds: float | None = None
    measured_steps: int = 0
    schedule_steps: int = 0
    schedule: str = ""


def middle(runs: Sequence[TimedRun]) -> TimedRun:
    """The run with the median time; of two in the middle the faster one."""
    return sorted(runs, key=lambda run: run.seconds)[(len(runs) - 1) // 2]
