"""The rates of a detector: AP50, the mean over classes, with the bootstrap's intervals over scenes."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from expunge.data import Scenes
from expunge.tasks.detection._spread import Spread, spread_of
from expunge.tasks.detection.average_precision import ClassAP, average_precision, mean_of
from expunge.tasks.detection.matching import match_scenes
from expunge.tasks.scores import Share
from expunge.values import Interval
from expunge.vision.detection import Detections


@dataclass(frozen=True, eq=False)
class Precisions:
    """The average precision of one detector on the test scenes; counted when it is first asked for.

    Attributes:
        found: What it found, scene by scene, boxes in pixels.
        truth: What is there.
        seed: Seeds the draws of scenes: the same scenes and boxes always have the same interval.
        draws: How often scenes are drawn.
        overlaps: At how many of COCO's overlaps, from the first, intervals are there; 1 for AP50, None for all.

    Raises:
        EvidenceError: There are more or fewer answers than scenes, or one names a class that is not there.
        MissingExtraError: faster-coco-eval is not installed.
    """

    found: tuple[Detections, ...]
    truth: Scenes
    seed: int = 0
    draws: int = 200
    overlaps: int | None = 1

    counted: ClassVar[str] = "test objects"

    @cached_property
    def each(self) -> tuple[ClassAP, ...]:
        """AP and AP50 of every class, as COCO counts them."""
        return average_precision(self.found, self.truth)

    @cached_property
    def spread(self) -> Spread:
        """AP of every class in many draws of the scenes."""
        return spread_of(match_scenes(self.found, self.truth), seed=self.seed, draws=self.draws, overlaps=self.overlaps)

    def rate(self, classes: Collection[int] | None = None) -> Share:
        """AP50, the mean over the classes that have an object; a group without one counts as 0 of 0."""
        chosen = range(len(self.truth.classes)) if classes is None else classes
        mean, known = mean_of(self.each, chosen), sum(bool(self.each[label].objects) for label in set(chosen))
        return Share(min(mean.ap50 or 0.0, 100.0), mean.objects, known)

    def interval(self, classes: Collection[int], percent: float) -> Interval:
        """The percentile bootstrap interval of AP50 over scenes, widened to hold the rate."""
        return self.spread.at_half.interval(classes, percent)
