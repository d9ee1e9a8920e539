"""COCO's average precision, class by class, from COCO's own evaluator; and the measure made from it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import torch

from expunge.data import Scenes
from expunge.errors import MissingExtraError
from expunge.evidence.accuracy import harmonic_mean
from expunge.evidence.detection.matching import MOST, check_found, match_scenes
from expunge.evidence.detection.protocol import SceneCase
from expunge.evidence.detection.spread import spread_of
from expunge.evidence.protocol import Aim, Reading
from expunge.values import Interval
from expunge.vision.detection import Detections
from expunge.vision.scene_states import SceneView


@dataclass(frozen=True, slots=True)
class ClassAP:
    """The average precision of one class, or the mean of several.

    Attributes:
        ap: Mean over overlaps of .50 to .95, in percent; None without an object.
        ap50: With boxes right from an overlap of one half on, in percent; None without an object.
        objects: How many objects stand behind it; groups do not count.
    """

    ap: float | None
    ap50: float | None
    objects: int


def average_precision(found: Sequence[Detections], truth: Scenes) -> tuple[ClassAP, ...]:
    """COCO's AP and AP50 of every class: Lin et al., "Microsoft COCO", ECCV 2014, as its evaluator counts them.

    At most 100 boxes a class and scene, objects of all sizes; a box in a group that nobody counted is neither right nor
    wrong.

    Args:
        found: What was found, scene by scene, boxes in pixels.
        truth: What is there.

    Raises:
        EvidenceError: There are more or fewer answers than scenes, or one names a class that is not there.
        MissingExtraError: faster-coco-eval is not installed.
    """
    check_found(found, truth)
    counts = truth.counts()
    if not sum(counts):
        return tuple(ClassAP(None, None, 0) for _ in counts)
    precision = torch.from_numpy(_precision(found, truth))  # overlaps, recalls, classes; -1 where there is no object
    return tuple(
        ClassAP(float(100 * part.mean()), float(100 * part[0].mean()), objects) if objects else ClassAP(None, None, 0)
        for part, objects in zip(precision.unbind(2), counts, strict=True)
    )


def mean_of(each: Sequence[ClassAP], classes: Collection[int]) -> ClassAP:
    """The mean over those of `classes` that have an object, each class with the same weight, as in COCO."""
    known = [one for one in (each[label] for label in sorted(classes)) if one.objects]
    objects = sum(one.objects for one in known)
    if not known:
        return ClassAP(None, None, 0)
    return ClassAP(
        sum(one.ap or 0.0 for one in known) / len(known), sum(one.ap50 or 0.0 for one in known) / len(known), objects
    )


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


def _precision(found: Sequence[Detections], truth: Scenes) -> Any:
    """What COCO's evaluator makes of it: precision at overlaps, recalls and classes."""
    try:
        from faster_coco_eval import COCO, COCOeval_faster
    except ImportError as error:
        raise MissingExtraError('AP needs faster-coco-eval: pip install "expunge[detection]".') from error
    there = COCO(_annotations(truth))
    run = COCOeval_faster(there, there.loadRes(_results(found)), "bbox")  # it prints to a log that nobody reads
    run.params.areaRng, run.params.areaRngLbl = run.params.areaRng[:1], run.params.areaRngLbl[:1]
    run.params.maxDets = [MOST]
    run.evaluate()
    run.accumulate()
    return run.eval["precision"][:, :, :, 0, 0]


def _annotations(truth: Scenes) -> dict[str, Any]:
    """The scenes as COCO writes them. Identities begin with 1: the evaluator takes 0 for "nothing"."""
    boxes = [
        (position, box, int(crowd))
        for position, scene in enumerate(truth.scenes, start=1)
        for part, crowd in ((scene.boxes, False), (scene.crowds, True))
        for box in part
    ]
    return {
        "images": [{"id": i, "width": s.width, "height": s.height} for i, s in enumerate(truth.scenes, start=1)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(truth.classes, start=1)],
        "annotations": [
            {
                "id": number,
                "image_id": position,
                "category_id": box.label + 1,
                "bbox": (sized := _sized(box.corners)),
                "area": sized[2] * sized[3],
                "iscrowd": crowd,
            }
            for number, (position, box, crowd) in enumerate(boxes, start=1)
        ],
    }


def _results(found: Sequence[Detections]) -> list[dict[str, Any]]:
    return [
        {"image_id": position, "category_id": label + 1, "bbox": _sized(corners), "score": score}
        for position, one in enumerate(found, start=1)
        # A box that is no number would be taken for a perfect one.
        for corners, score, label in zip(
            one.boxes.double().nan_to_num(0.0, 0.0, 0.0).tolist(), one.scores.tolist(), one.labels.tolist(), strict=True
        )
    ]


def _sized(corners: Sequence[float]) -> list[float]:
    """Left, top, width and height, as COCO writes boxes."""
    left, top, right, bottom = corners
    return [left, top, right - left, bottom - top]
