"""Spread of an average precision: scenes drawn anew from what was matched once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.errors import EvidenceError
from expunge.intervals import percentiles, resample_counts
from expunge.tasks.detection.matching import ClassMatches
from expunge.values import Interval


@dataclass(frozen=True, eq=False)
class Spread:
    """AP of every class in many draws of the scenes.

    Attributes:
        each: In percent, at the first or at all of COCO's ten overlaps; NaN in a draw without an object of the class.
    """

    each: Float[Tensor, "classes draws overlaps"]

    @property
    def at_half(self) -> "Spread":
        """AP50 alone."""
        return Spread(self.each[:, :, :1])

    def interval(self, classes: Collection[int], value: float, level: float = 0.95) -> Interval:
        """The percentile bootstrap interval of the mean over `classes`, widened to hold the value itself.

        Args:
            classes: The classes; those without an object in a draw are left out of its mean.
            value: Their AP over the scenes as they are.
            level: Confidence level, between 0 and 1.

        Raises:
            EvidenceError: No draw holds an object of `classes`.
        """
        found = percentiles(self.each[sorted(classes)].mean(2).nanmean(0), level)
        return Interval(min(found.low, value), max(found.high, value))


def spread_of(matches: Sequence[ClassMatches], *, seed: int, draws: int = 200, overlaps: int | None = None) -> Spread:
    """Draws the scenes with replacement and takes every class's AP of each draw; the same seed, the same draws.

    Args:
        matches: The boxes of each class, as `match_scenes` gives them.
        seed: Seeds the draws.
        draws: How often to draw.
        overlaps: How many of COCO's overlaps, from the first; 1 for AP50, all without.

    Raises:
        EvidenceError: There is no scene, no class or no draw.
    """
    if not matches:
        raise EvidenceError("Expected classes to take an AP of, got none. Name classes.")
    times = resample_counts(len(matches[0].objects), seed=seed, draws=draws)
    return Spread(torch.stack([one.resampled(times, overlaps) for one in matches]))
