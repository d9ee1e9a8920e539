"""AP50 where COCO's evaluator would be too much: in the log of a training, and to choose by on validation scenes.

The area under precision over recall, boxes right from an overlap of one half on:
Everingham et al., "The Pascal visual object classes challenge: a retrospective", IJCV 2015, section 3.2, with precision
at every recall and not at 11 or 101 of them. Numbers to publish come from COCO's own evaluator.

Three things count AP, and each stays for what hangs on it. This one chooses the state that a method keeps, so edits
hang on its bits, as do the figures in the zoo's `result.json`; it needs no package. COCO's evaluator counts all figures
of runs, scorecards and committed cells (`expunge.tasks.detection.average_precision`). Ours after COCO's rules counts
weighted scenes, which the evaluator cannot, for the bootstrap (`expunge.tasks.detection.matching`).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from expunge.vision.detection.boxes import pairs, to_corners
from expunge.vision.detection.detect import Detections
from expunge.vision.detection.targets import Target

OVERLAP = 0.5


def ap50(found: Sequence[Detections], truth: Sequence[Target], classes: int) -> list[float | None]:
    """The AP50 of each class in percent; None for a class that is in no scene.

    Args:
        found: Detections scene by scene, in shares of the picture: `detect` with sizes of 1 × 1.
        truth: What is in each scene.
        classes: Number of classes.
    """
    if not truth:
        return [None] * classes
    labels, scores = (torch.cat([getattr(one, name) for one in found]) for name in ("labels", "scores"))
    hits = torch.cat([_hits(here, there) for here, there in zip(found, truth, strict=True)])
    objects = torch.cat([there.labels for there in truth]).bincount(minlength=classes).tolist()
    each: list[float | None] = []
    for label in range(classes):
        mine = labels == label
        order = scores[mine].argsort(descending=True, stable=True)
        each.append(100 * _area(hits[mine][order].double(), objects[label]) if objects[label] else None)
    return each


def mean(each: Sequence[float | None]) -> float:
    """The mean of the classes that have an AP50; 0 where none has."""
    known = [one for one in each if one is not None]
    return sum(known) / len(known) if known else 0.0


def _hits(found: Detections, there: Target) -> Int[Tensor, "m"]:
    """1 where a box overlaps an object of its class that no surer one has found; it finds the best of those."""
    hits = torch.zeros(len(found.labels), dtype=torch.int64)
    iou, _ = pairs(found.boxes, to_corners(there.boxes))
    iou = iou.where(found.labels[:, None] == there.labels, -1.0)
    for i in (iou >= OVERLAP).any(1).nonzero()[:, 0].tolist():  # no other box can find one
        best = iou[i].argmax()
        if iou[i, best] >= OVERLAP:
            hits[i] = 1
            iou[:, best] = -1.0
    return hits


def _area(hits: Float[Tensor, "m"], objects: int) -> float:
    """Precision, made to fall with recall, summed over the steps of recall."""
    right = hits.cumsum(0)
    precision = right / torch.arange(1, len(hits) + 1)
    envelope = precision.flip(0).cummax(0).values.flip(0)
    return float((envelope * hits).sum() / objects)
