"""The steps of a training that is cut short, and the schedule that they are a part of."""

from dataclasses import dataclass
from math import ceil
from statistics import median

import torch

from expunge.bench._clock import now
from expunge.bench.speed._limits import TimeLimits
from expunge.bench.speed._passes import Passes
from expunge.methods import Method, Training


class Enough(Exception):  # noqa: N818
    """Ends a training whose steps have been timed."""


class StepTimer:
    """The ends of a training's steps; the first step is the warm-up.

    Attributes:
        passes: Counts the passes of the training, if anybody does.
        ends: When each step ended, in seconds of `now`.
        forward: Forward passes done at the end of each step.
        backward: Backward passes done at the end of each step.
    """

    def __init__(self, device: torch.device, limits: TimeLimits, passes: Passes | None = None):
        """Nothing has been done yet."""
        self.passes = passes or Passes()
        self.ends: list[float] = []
        self.forward: list[float] = []
        self.backward: list[float] = []
        self._device, self._limits = device, limits

    @property
    def measured(self) -> int:
        """Steps after the warm-up step."""
        return max(0, len(self.ends) - 1)

    def tick(self) -> None:
        """A step has ended.

        Raises:
            Enough: No further step is needed.
        """
        self.ends.append(now(self._device))
        self.forward.append(self.passes.forward)
        self.backward.append(self.passes.backward)
        if self.measured >= self._limits.steps:
            raise Enough
        if self.measured and self.ends[-1] - self.ends[0] >= self._limits.slice:
            raise Enough


@dataclass(frozen=True)
class Schedule:
    """All steps of a training.

    Attributes:
        sizes: Images that each step looks at, retained and forget images together.
        words: What the schedule is.
    """

    sizes: tuple[int, ...]
    words: str

    def seconds_an_image(self, steps: StepTimer) -> float:
        """Median over the measured steps of this schedule."""
        spans = [end - start for start, end in zip(steps.ends, steps.ends[1:], strict=False)]
        return median(span / size for span, size in zip(spans, self.sizes[1:], strict=False))

    def passes(self, done: list[float]) -> float:
        """Passes of the whole schedule, given those that were done by the end of each measured step."""
        first, measured = self.sizes[0], self.sizes[1 : len(done)]
        each = (done[-1] - done[0]) / sum(measured)
        return max(0.0, done[0] - each * first) + each * sum(self.sizes)


def schedule_of(method: Method, retain: int, forget: int) -> Schedule | None:
    """The schedule of a trained method for so many images; None where there are not two steps to be timed."""
    if not isinstance(method, Training):
        return None
    every = method.epochs * ceil(retain / method.batch_size)
    total = min(every, method.max_steps or every)
    if total < 2:
        return None
    sizes = tuple(step_images(step, retain, forget, method.batch_size) for step in range(total))
    return Schedule(sizes, f"{method.epochs} epochs, {method.batch_size} images of each kind a step")


def step_images(step: int, retain: int, forget: int, size: int) -> int:
    """Images in one step, counted from 0, of `expunge.methods.training.paired_batches`.

    Each kind is gone through in batches of `size`, over and over; the last batch of a pass is what is left.

    Args:
        step: Which step.
        retain: Number of retained images.
        forget: Number of forget images.
        size: Images of each kind a step.
    """
    return sum(min(size, n - size * (step % ceil(n / size))) for n in (retain, forget))
