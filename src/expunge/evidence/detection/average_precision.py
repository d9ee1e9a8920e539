"""COCO's average precision, class by class, from COCO's own evaluator; and the measure made from it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from expunge.data import Scenes
from expunge.evidence.detection.protocol import SceneCase
from expunge.evidence.protocol import Aim, Reading
from expunge.tasks.classification.accuracy import harmonic_mean
from expunge.tasks.detection.average_precision import ClassAP, average_precision, mean_of
from expunge.tasks.detection.matching import match_scenes
from expunge.tasks.detection.spread import spread_of
from expunge.values import Interval
from expunge.vision.scene_states import SceneView


@dataclass(frozen=True)
class AveragePrecision:
    """AP50 and AP of forgotten, retained, earlier and missing classes on the test scenes, and H in AP50.

    Intervals are those of the percentile bootstrap over scenes. They say nothing of an AP of exactly 0, which is 0 in
    every draw: how many objects stand behind it does. Where several classes are forgotten, the one that is found best
    has a row of its own, as a mean would hide it.

    Attributes:
        draws: How often scenes are drawn.
    """

    draws: int = 200

    name: ClassVar[str] = "average-precision"
    summary: ClassVar[str] = "COCO's AP50 and AP of forgotten, retained, earlier and missing classes, and H"
    source: ClassVar[str] = "Lin et al., ECCV 2014; Zhao et al., CVPR 2024, arXiv 2403.11530"
    slow: ClassVar[bool] = False
    labels: ClassVar[Mapping[str, str]] = {
        "acc_f": "AP50_f",
        "acc_f_worst": "AP50_f, worst class",
        "acc_r": "AP50_r",
        "acc_o": "AP50_o",
        "acc_o_worst": "AP50_o, worst class",
        "acc_m": "AP50_m",
        "h": "H in AP50",
        "ap_f": "AP_f",
        "ap_r": "AP_r",
        "ap_o": "AP_o",
    }

    def missing(self, case: SceneCase) -> str | None:
        """Needs test objects of a class of the request and of a retained class."""
        counts = case.truth.counts()
        for classes, what in ((case.forget, "the request"), (case.retain, "what stays")):
            if not any(counts[label] for label in classes):
                return f"needs test objects of a class of {what}"
        return None

    def measure(self, case: SceneCase) -> tuple[Reading, ...]:
        """The rows of every group of classes that has test objects."""
        found = case.view.test.found()
        each = average_precision(found, case.truth)
        before = mean_of(_untouched(case.original.test, case.truth), case.forget)
        spread = spread_of(match_scenes(found, case.truth), seed=case.seed, draws=self.draws)
        groups: tuple[tuple[str, Collection[int], Aim], ...] = (
            ("f", case.forget, "low"),
            ("r", case.retain, "high"),
            ("o", case.earlier, "low"),
            ("m", case.missing, "high"),
        )
        at_half: dict[str, Reading] = {}
        overall: list[Reading] = []
        for part, classes, aim in groups:
            mean = mean_of(each, classes)
            if mean.ap50 is None or mean.ap is None:
                continue
            interval = spread.at_half.interval(classes, mean.ap50)
            at_half[f"acc_{part}"] = _reading(f"acc_{part}", mean.ap50, mean.objects, aim, interval)
            label = _best_found(each, classes) if aim == "low" else None
            if label is not None:
                interval = spread.at_half.interval([label], each[label].ap50 or 0.0)
                key, one = f"acc_{part}_worst", each[label]
                at_half[key] = _reading(key, one.ap50 or 0.0, one.objects, aim, interval)
            if f"ap_{part}" in self.labels:
                overall.append(_reading(f"ap_{part}", mean.ap, mean.objects, aim, spread.interval(classes, mean.ap)))
        now, kept = at_half["acc_f"], at_half["acc_r"]
        h = harmonic_mean(kept.value, (before.ap50 or 0.0) - now.value)
        return (*at_half.values(), Reading("h", h, "%", now.n + kept.n, aim="high"), *overall)


def _best_found(each: Sequence[ClassAP], classes: Collection[int]) -> int | None:
    """The class with the highest AP50, of equal ones that with the fewest objects; None of fewer than two classes."""
    known = [label for label in classes if each[label].objects]
    return max(known, key=lambda label: (each[label].ap50 or 0.0, -each[label].objects)) if len(known) > 1 else None


@lru_cache(maxsize=1)
def _untouched(view: SceneView, truth: Scenes) -> tuple[ClassAP, ...]:
    """The original's figures, which every request of a sequence is held against."""
    return average_precision(view.found(), truth)


def _reading(key: str, value: float, objects: int, aim: Aim, interval: Interval) -> Reading:
    return Reading(key, value, "%", objects, interval.low, interval.high, aim)
