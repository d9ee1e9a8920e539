"""Time limits of a run."""

from dataclasses import dataclass

MINUTES = 13
"""Of a usual run."""


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Limits that keep a run short.

    Attributes:
        runs: Times that each measurement is repeated, all methods in turn.
        steps: Steps of a schedule that are timed, after a warm-up step.
        measurement: Seconds for all runs of one method on one model with one number of images. What would take
            longer in a single run is left out; what takes long is repeated less.
        total: Seconds for everything. Models get equal parts, and what one leaves goes to those after it.
    """

    runs: int = 3
    steps: int = 5
    measurement: float = 60.0
    total: float = 60.0 * MINUTES

    @property
    def slice(self) -> float:
        """Seconds of timed steps after which a run takes no further step."""
        return self.measurement / (4 * self.runs)


QUICK = TimeLimits(runs=1, steps=1, measurement=20.0, total=60.0)
"""To see that everything works; measures next to nothing."""


def limits_for(minutes: int) -> TimeLimits:
    """Limits of a run that takes about so many minutes; single measurements may take as much longer as the whole."""
    return TimeLimits(measurement=60.0 * minutes / MINUTES, total=60.0 * minutes)
