"""Answers of a detector where an object of a forgotten class is: another name, or nothing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool
from torch import Tensor

from expunge.data import Scene, Scenes
from expunge.errors import EvidenceError
from expunge.evidence.measures._readings import rate_reading
from expunge.evidence.protocol import Case, Reading
from expunge.tasks.detection import ClassMatches, corners_of, match_scenes, overlap
from expunge.vision.detection import Detections


@dataclass(frozen=True)
class Relabelling:
    """Counts test objects of forgotten classes at which the detector fires under another name, or not at all.

    It fires where it puts a box that overlaps the object by one half or more (IoU) with a score of at least
    `threshold`. A box that is right about another object which happens to stand there does not count. An object that
    is found under its own name alone is neither relabelled nor silent; one that is found under both is relabelled.

    Attributes:
        threshold: Least score, 0 to 1. By default the score at which the original detector reaches its best F1 on the
            retained classes of the test scenes: where someone who uses it would put it, and the same for every model
            that it is compared with. A fixed number would fire anywhere or nowhere, as the level of scores hangs on
            the loss that a detector was trained with.
    """

    threshold: float | None = None

    name: ClassVar[str] = "relabelling"
    summary: ClassVar[str] = "share of forgotten objects that are found under another name, and of those not found"
    source: ClassVar[str] = "ours"
    slow: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...]] = ("detection",)
    labels: ClassVar[Mapping[str, str]] = {"relabelled": "found under another name", "silent": "not found at all"}

    def __post_init__(self) -> None:
        """Refuses settings that cannot work."""
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise EvidenceError(f"Expected a threshold from 0 to 1, got {self.threshold}. Scores are probabilities.")

    def missing(self, case: Case) -> str | None:
        """Needs test objects of a forgotten class, and without a threshold an original that finds what stays."""
        counts = case.test.counts()
        if not any(counts[label] for label in case.forgotten):
            return "needs test objects of a forgotten class"
        if self.threshold is None and _original_threshold(case) is None:
            return "needs an original detector that finds an object of a retained class, or a threshold"
        return None

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """Both shares, over all test objects of classes of this and earlier requests."""
        threshold = _original_threshold(case) if self.threshold is None else self.threshold
        if threshold is None:
            return ()
        renamed, silent = fired(case.view.test.found(), case.test, case.forgotten, threshold)
        rows = (("relabelled", renamed), ("silent", silent))
        return tuple(rate_reading(key, float(flags.double().mean()), len(flags)) for key, flags in rows)


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


def _original_threshold(case: Case) -> float | None:
    matches = match_scenes(case.original.test.found(), case.test)
    return best_threshold([matches[label] for label in case.retain])


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
