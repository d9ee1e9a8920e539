"""COCO's average precision, class by class, from COCO's own evaluator."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from expunge.data import Scenes
from expunge.errors import MissingExtraError
from expunge.tasks.detection.matching import MOST, check_found
from expunge.vision.detection import Detections


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


def _precision(found: Sequence[Detections], truth: Scenes) -> Any:
    """Precision by COCO's evaluator, at overlaps, recalls and classes."""
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
