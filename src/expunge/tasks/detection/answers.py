"""What a detector says where objects are: another name, or nothing; and from which score on it is held to say it."""

from collections.abc import Collection, Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from expunge.data import Scene, Scenes
from expunge.errors import EvidenceError
from expunge.tasks.detection.matching import ClassMatches, corners_of, overlap
from expunge.vision.detection import Detections


def fired(
    found: Sequence[Detections], truth: Scenes, classes: Collection[int], threshold: float
) -> tuple[Bool[Tensor, " m"], Bool[Tensor, " m"]]:
    """Whether each object of `classes` is found under another name, and whether it is not found under any.

    Args:
        found: What was found, scene by scene, boxes in pixels.
        truth: What is there.
        classes: Classes whose objects count; groups do not.
        threshold: Least score of a box.

    Raises:
        EvidenceError: None of `classes` has an object.
    """
    flags = [_scene(here, there, classes, threshold) for here, there in zip(found, truth.scenes, strict=True)]
    renamed, silent = (torch.cat(column) for column in zip(*flags, strict=True))
    if not len(renamed):
        raise EvidenceError("Expected objects of the classes that are asked for, got none. Add test scenes with boxes.")
    return renamed, silent


def best_threshold(matches: Sequence[ClassMatches]) -> float | None:
    """The highest score at which precision and recall, of all classes together, have their best harmonic mean (F1).

    Boxes are right from an overlap of one half on.

    Args:
        matches: The boxes of each class that counts, as `match_scenes` gives them.

    Returns:
        The score; None where no box is right.
    """
    counted = [~one.ignored[0] for one in matches]
    scores = torch.cat([one.scores[keep] for one, keep in zip(matches, counted, strict=True)])
    right = torch.cat([one.right[0][keep] for one, keep in zip(matches, counted, strict=True)])
    if not right.any():
        return None
    order = scores.argsort(descending=True, stable=True)
    scores, hits = scores[order], right[order].double().cumsum(0)
    objects = sum(float(one.objects.sum()) for one in matches)
    f1 = 2 * hits / (torch.arange(1, len(hits) + 1) + objects)
    # A threshold takes in all boxes of one score or none of them.
    last = torch.cat([scores[1:] < scores[:-1], torch.tensor([True])])
    return float(scores[f1.masked_fill(~last, -1.0).argmax()])


def _scene(found: Detections, scene: Scene, classes: Collection[int], threshold: float) -> tuple[Tensor, Tensor]:
    """For each object of `classes` in one scene, whether it is renamed and whether nothing is said there."""
    sure = found.scores.double() >= threshold
    names, boxes = found.labels[sure], found.boxes[sure].double()
    labels = torch.tensor([box.label for box in scene.boxes], dtype=torch.int64)
    on = overlap(boxes, corners_of(scene.boxes)) >= 0.5  # boxes, objects
    same = names[:, None] == labels[None]
    right = on & same
    elsewhere = right.sum(1, keepdim=True) > right.int()  # right about another object than this one
    renamed = (on & ~same & ~elsewhere).any(0)
    silent = ~(on & (same | ~elsewhere)).any(0)
    counted = torch.tensor([box.label in classes for box in scene.boxes], dtype=torch.bool)
    return renamed[counted], silent[counted]
