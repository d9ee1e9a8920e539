"""AP50 where COCO's evaluator would be too much: in the log of a training, and to choose by on validation scenes.

The area under precision over recall, boxes right from an overlap of one half on:
Everingham et al., "The Pascal visual object classes challenge: a retrospective", IJCV 2015, section 3.2, with precision
at every recall and not at 11 or 101 of them. Numbers to publish come from COCO's own evaluator.
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
    return [_class_ap50(found, truth, label) for label in range(classes)]


def mean(each: Sequence[float | None]) -> float:
    """The mean of the classes that have an AP50; 0 where none has."""
    known = [one for one in each if one is not None]
    return sum(known) / len(known) if known else 0.0


def _class_ap50(found: Sequence[Detections], truth: Sequence[Target], label: int) -> float | None:
    scores, hits, objects = [], [], 0
    for here, there in zip(found, truth, strict=True):
        mine, boxes = here.labels == label, to_corners(there.boxes[there.labels == label])
        objects += len(boxes)
        scores.append(here.scores[mine])
        hits.append(_hits(here.boxes[mine], boxes))
    if objects == 0:
        return None
    order = torch.cat(scores).argsort(descending=True, stable=True)
    return 100 * _area(torch.cat(hits)[order].double(), objects)


def _hits(found: Float[Tensor, "m 4"], truth: Float[Tensor, "k 4"]) -> Int[Tensor, "m"]:
    """1 where a box, the surest first, overlaps an object that none before has found; it finds the best of those."""
    hits = torch.zeros(len(found), dtype=torch.int64)
    if len(truth) == 0:
        return hits
    iou, _ = pairs(found, truth)
    for i in range(len(found)):
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
