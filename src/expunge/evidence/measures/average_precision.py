"""COCO's average precision of what is forgotten, of what stays, and H: what `forgetting` is to classifiers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from expunge.data import Scenes
from expunge.evidence.measures._rates import groups_of, rate_rows
from expunge.evidence.protocol import Case, Reading
from expunge.tasks.detection import Precisions, mean_of
from expunge.vision.detection import SceneView


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
    tasks: ClassVar[tuple[str, ...]] = ("detection",)
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

    def missing(self, case: Case) -> str | None:
        """Needs test objects of a class of the request and of a retained class."""
        counts = case.test.counts()
        for classes, what in ((case.forget, "the request"), (case.retain, "what stays")):
            if not any(counts[label] for label in classes):
                return f"needs test objects of a class of {what}"
        return None

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """The rows of every group of classes that has test objects."""
        now = Precisions(case.view.test.found(), case.test, seed=case.seed, draws=self.draws, overlaps=None)
        overall: list[Reading] = []
        for letter, classes, aim in groups_of(case):
            mean = mean_of(now.each, classes)
            if f"ap_{letter}" in self.labels and mean.ap is not None:
                interval = now.spread.interval(classes, mean.ap)
                overall.append(Reading(f"ap_{letter}", mean.ap, "%", mean.objects, interval.low, interval.high, aim))
        return (*rate_rows(now, _untouched(case.original.test, case.test), case).values(), *overall)


@lru_cache(maxsize=1)
def _untouched(view: SceneView, truth: Scenes) -> Precisions:
    """The original's figures, which every request of a sequence is held against."""
    return Precisions(view.found(), truth)
