"""Matching of boxes by COCO's rules, kept so that scenes can be counted again and again without matching anew.

The rules are those of COCO's evaluator (Lin et al., "Microsoft COCO", ECCV 2014, and its published code): class by
class, the surest box first, each takes the best object that is still free; what lies in a group that nobody counted is
neither right nor wrong. Figures to publish come from the evaluator itself; see `average_precision`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from expunge.data import Box, Scene, Scenes
from expunge.errors import EvidenceError
from expunge.vision.detection import Detections

OVERLAPS = torch.linspace(0.5, 0.95, 10, dtype=torch.float64)
"""COCO's ten overlaps from which on a box is right; the first is that of AP50."""

MOST = 100
"""So many boxes of a class count in a scene, COCO's limit; `detect` gives no more of all classes together."""

_RECALLS = torch.linspace(0.0, 1.0, 101, dtype=torch.float64)
_TINY = torch.finfo(torch.float64).eps


@dataclass(frozen=True, eq=False)
class ClassMatches:
    """All boxes under one class's name, the surest first, and how many objects of it each scene holds.

    Attributes:
        scores: Their scores.
        scenes: Which scene each is in.
        right: For each of `OVERLAPS`, whether it found an object.
        ignored: For each of `OVERLAPS`, whether it counts for nothing, as it lies in a group.
        objects: Number of objects, scene by scene; groups not counted.
    """

    scores: Float[Tensor, " k"]
    scenes: Int[Tensor, " k"]
    right: Bool[Tensor, "t k"]
    ignored: Bool[Tensor, "t k"]
    objects: Float[Tensor, " n"]

    def resampled(self, times: Float[Tensor, "draws n"], overlaps: int | None = None) -> Float[Tensor, "draws _"]:
        """AP in percent at each overlap, every scene counted as often as `times` says; NaN without an object.

        Args:
            times: How often each scene occurs, in each draw.
            overlaps: How many of `OVERLAPS`, from the first; all without.
        """
        wanted = times @ self.objects
        weights = times[:, self.scenes]
        columns = [
            _interpolated(weights * right, weights * (~right & ~ignored), wanted)
            for right, ignored in zip(self.right[:overlaps], self.ignored[:overlaps], strict=True)
        ]
        return 100 * torch.stack(columns, dim=1).where(wanted[:, None] > 0, torch.nan)


def match_scenes(found: Sequence[Detections], truth: Scenes) -> tuple[ClassMatches, ...]:
    """Matches boxes with objects in every scene, for every class.

    Args:
        found: What was found, scene by scene, boxes in pixels.
        truth: What is there.

    Raises:
        EvidenceError: There is no scene, there are more or fewer answers than scenes, or one names a class that is not
            there.
    """
    check_found(found, truth)
    if not len(truth):
        raise EvidenceError("Expected scenes to count in, got none. Give at least one.")
    columns = zip(
        *(_match_scene(*pair, i) for i, pair in enumerate(zip(found, truth.scenes, strict=True))), strict=True
    )
    boxes = _Boxes(*(torch.cat(column, dim=-1) for column in columns))
    objects = torch.zeros(len(truth), len(truth.classes), dtype=torch.float64)
    for i, scene in enumerate(truth.scenes):
        for box in scene.boxes:
            objects[i, box.label] += 1
    return tuple(_of_class(boxes, objects[:, label], label) for label in range(len(truth.classes)))


def check_found(found: Sequence[Detections], truth: Scenes) -> None:
    """Makes sure that answers are those to `truth`.

    Raises:
        EvidenceError: There are more or fewer answers than scenes, or one names a class that is not there.
    """
    if len(found) != len(truth):
        raise EvidenceError(f"Expected one answer a scene, got {len(found)} for {len(truth)} scenes. Look at them all.")
    highest = max((int(one.labels.max()) for one in found if len(one)), default=0)
    if highest >= max(len(truth.classes), 1):
        raise EvidenceError(
            f"Expected detections of {len(truth.classes)} classes, got label {highest}. "
            "Bring the scenes' classes into the model's order first."
        )


class _Boxes(NamedTuple):
    """Boxes of scenes under all names, those of one scene the surest first; named as in `ClassMatches`."""

    labels: Int[Tensor, " k"]
    scores: Float[Tensor, " k"]
    scenes: Int[Tensor, " k"]
    right: Bool[Tensor, "t k"]
    ignored: Bool[Tensor, "t k"]


def _match_scene(found: Detections, scene: Scene, position: int) -> _Boxes:
    order = found.scores.argsort(descending=True, stable=True)
    order = order[_counted(found.labels[order])]
    labels, boxes = found.labels[order], found.boxes[order].double()
    hits = _assign(_of_one_name(overlap(boxes, corners_of(scene.boxes)), labels, scene.boxes))
    shared = _of_one_name(overlap(boxes, corners_of(scene.crowds), group=True), labels, scene.crowds)
    in_group = (shared >= OVERLAPS[:, None, None]).any(2)
    place = torch.full((len(order),), position)
    return _Boxes(labels, found.scores[order].double(), place, hits, in_group & ~hits)


def _of_one_name(shared: Float[Tensor, "k m"], labels: Int[Tensor, " k"], truth: Sequence[Box]) -> Float[Tensor, "k m"]:
    """-1 where a box and what is there are not of one class."""
    names = torch.tensor([box.label for box in truth], dtype=torch.int64)
    return shared.where(labels[:, None] == names, -1.0)


def _counted(labels: Int[Tensor, " k"]) -> Int[Tensor, " m"]:
    """Places of the boxes of one scene that count, at most `MOST` of a class."""
    if len(labels) <= MOST:
        return torch.arange(len(labels))
    return torch.cat([(labels == label).nonzero()[:MOST, 0] for label in labels.unique()]).sort().values


def _of_class(boxes: _Boxes, objects: Float[Tensor, " n"], label: int) -> ClassMatches:
    mine = (boxes.labels == label).nonzero()[:, 0]
    mine = mine[boxes.scores[mine].argsort(descending=True, stable=True)]
    return ClassMatches(
        scores=boxes.scores[mine],
        scenes=boxes.scenes[mine],
        right=boxes.right[:, mine],
        ignored=boxes.ignored[:, mine],
        objects=objects,
    )


def _assign(iou: Float[Tensor, "k m"]) -> Bool[Tensor, "t k"]:
    """Mask of boxes, the surest first, that find an object none before has taken; of equals the last, as in COCO."""
    boxes, objects = iou.shape
    hits = torch.zeros(len(OVERLAPS), boxes, dtype=torch.bool)
    taken = torch.zeros(len(OVERLAPS), objects, dtype=torch.bool)
    every = torch.arange(len(OVERLAPS))
    for i in (iou >= OVERLAPS[0]).any(1).nonzero()[:, 0].tolist():  # no other box can find one
        free = iou[i].expand(len(OVERLAPS), -1).masked_fill(taken, -1.0)
        best = objects - 1 - free.flip(1).argmax(1)
        hits[:, i] = free[every, best] >= OVERLAPS
        taken[every, best] |= hits[:, i]
    return hits


def overlap(a: Float[Tensor, "k 4"], b: Float[Tensor, "m 4"], *, group: bool = False) -> Float[Tensor, "k m"]:
    """Intersection over union of corners; with a group, the share of `a` that lies in it."""
    low, high = torch.maximum(a[:, None, :2], b[None, :, :2]), torch.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = (high - low).clamp_min(0).prod(2)
    own, other = ((part[:, 2:] - part[:, :2]).prod(1) for part in (a, b))
    whole = own[:, None].expand(shared.shape) if group else own[:, None] + other[None] - shared
    return torch.where(shared > 0, shared / whole, 0.0)


def corners_of(boxes: Sequence[Box], label: int | None = None) -> Float[Tensor, "m 4"]:
    """Corners of the boxes of one class, or of all of them, in float64."""
    chosen = [box.corners for box in boxes if label is None or box.label == label]
    return torch.tensor(chosen, dtype=torch.float64).view(-1, 4)


def _interpolated(
    right: Float[Tensor, "draws k"], wrong: Float[Tensor, "draws k"], wanted: Float[Tensor, " draws"]
) -> Float[Tensor, " draws"]:
    """COCO's AP as a share: precision, made to fall with recall, averaged over 101 recalls.

    A box of weight w stands for w boxes of the same score. Only where the last of them stands can precision decide:
    right ones raise it until then, wrong ones leave recall where it was.
    """
    if not right.shape[1]:
        return torch.zeros(len(wanted), dtype=torch.float64)
    hits, misses = right.cumsum(1), wrong.cumsum(1)
    recall = hits / wanted.clamp_min(1)[:, None]
    precision = (hits / (hits + misses + _TINY)).flip(1).cummax(1).values.flip(1)
    place = torch.searchsorted(recall, _RECALLS.expand(len(wanted), -1).contiguous())
    reached = place < recall.shape[1]
    return torch.where(reached, precision.gather(1, place.clamp_max(recall.shape[1] - 1)), 0.0).mean(1)
