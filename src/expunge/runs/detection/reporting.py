"""Turns a finished run on a detector into the values that the report shows."""

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from expunge.adapters import Edit
from expunge.data import Pixels, Scene, Scenes, as_picture
from expunge.evidence import Change, Metrics, change_of
from expunge.evidence.measures import best_threshold, fired
from expunge.evidence.report import Answers, ClassAccuracy, Fate, FoundBox, GroupNorms, Report, ScenePicture
from expunge.runs.reporting import block_norm, environment
from expunge.tasks.detection import Precisions, average_precision, match_scenes
from expunge.values import Block
from expunge.vision.detection import Detections, SceneView, pairs

SIDE, QUALITY = 360, 82
"""Longer side of a picture in the report in pixels, and the quality of its JPEG."""

MOST_SCENES, SETTLED = 8, 1
"""Scenes shown in all, and those among them from which no request takes anything."""

UNKNOWN = 0.5
"""Score from which on boxes count where the original detector finds nothing of what stays."""

OVERLAP = 0.5
"""Intersection over union from which on two boxes stand at one place."""


def build_scene_report(
    metrics: Metrics,
    test: Scenes,
    blocks: Sequence[Block],
    edits: Sequence[Edit],
    views: Sequence[SceneView],
    *,
    title: str,
    command: str,
) -> Report:
    """The report of one run.

    Args:
        metrics: The run's figures.
        test: The test scenes, in the order of the views.
        blocks: The detector's blocks.
        edits: One edit a request.
        views: Answers to the test scenes: under the original detector, then after each request.
        title: Heading of the report.
        command: How to repeat the run.
    """
    taken = {name: n for n, request in enumerate(metrics.requests, start=1) for name in request.classes}
    found = [view.found() for view in views]
    answers = _answers(test, found[0], found[-1], taken)
    return Report(
        title=title,
        metrics=metrics,
        classes=_class_rates(test, found, taken),
        groups=GroupNorms(
            names=tuple(block.name for block in blocks),
            norms=tuple(tuple(block_norm(edit, block) for block in blocks) for edit in edits),
        ),
        examples=(),
        command=command,
        environment=environment(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        scenes=tuple(
            _picture(test, i, [_sure(each[i], answers.threshold) for each in found], taken)
            for i in chosen_scenes(test, taken)
        ),
        answers=answers,
        forgotten=_all_forgotten(test, views, taken),
    )


def chosen_scenes(test: Scenes, taken: Mapping[str, int]) -> tuple[int, ...]:
    """Scenes to show, by position and never by how well the detector does: for each request the first that holds it.

    Of many requests some are left out, evenly; at the end stands the first scene from which nothing is taken.
    """
    requests = sorted(set(taken.values()))
    room = MOST_SCENES - SETTLED
    some = requests if len(requests) <= room else [requests[i * len(requests) // room] for i in range(room)]
    fates = [{taken.get(test.classes[box.label]) for box in scene.boxes} for scene in test.scenes]
    chosen: list[int] = []
    for request in some:
        chosen += [i for i, fate in enumerate(fates) if request in fate and i not in chosen][:1]
    settled = [i for i, fate in enumerate(fates) if fate == {None}][:SETTLED]
    return tuple(chosen + settled)


def _answers(
    test: Scenes, before: tuple[Detections, ...], after: tuple[Detections, ...], taken: Mapping[str, int]
) -> Answers:
    """Answers at forgotten objects, from the score on at which the original is best on what stays."""
    matches = match_scenes(before, test)
    kept = [matches[label] for label, name in enumerate(test.classes) if name not in taken]
    threshold = best_threshold(kept)
    threshold = UNKNOWN if threshold is None else threshold
    gone = [label for label, name in enumerate(test.classes) if name in taken]
    renamed, silent = fired(after, test, gone, threshold)
    return Answers(threshold, len(renamed), int(renamed.sum()), int(silent.sum()))


def _sure(found: Detections, threshold: float) -> Detections:
    sure = found.scores >= threshold
    return Detections(found.boxes[sure], found.scores[sure], found.labels[sure], found.queries[sure])


def _class_rates(
    test: Scenes, found: Sequence[tuple[Detections, ...]], taken: Mapping[str, int]
) -> tuple[ClassAccuracy, ...]:
    before, *after = [average_precision(each, test) for each in found]

    def rate(value: float | None) -> float:
        return round(value or 0.0, 2)

    return tuple(
        ClassAccuracy(
            name=name,
            n=before[c].objects,
            before=rate(before[c].ap50),
            after=tuple(rate(each[c].ap50) for each in after),
            forgotten_at=taken.get(name),
        )
        for c, name in enumerate(test.classes)
        if before[c].objects
    )


def _all_forgotten(test: Scenes, views: Sequence[SceneView], taken: Mapping[str, int]) -> Change:
    """AP50 on all classes forgotten so far, as if one request had named them."""
    gone = tuple(label for label, name in enumerate(test.classes) if name in taken)
    return change_of(Precisions(views[0].found(), test), Precisions(views[-1].found(), test), gone)


def _picture(test: Scenes, index: int, found: Sequence[Detections], taken: Mapping[str, int]) -> ScenePicture:
    scene = test.scenes[index]
    names = [test.classes[box.label] for box in scene.boxes]
    return ScenePicture(
        jpeg=_jpeg(scene.load()),
        width=scene.width,
        height=scene.height,
        name=scene.sample.name,
        objects=tuple((name, taken.get(name)) for name in names),
        states=tuple(boxes_at(scene, test.classes, found[0], now, state, taken) for state, now in enumerate(found)),
    )


def boxes_at(
    scene: Scene,
    classes: Sequence[str],
    original: Detections,
    now: Detections,
    state: int,
    taken: Mapping[str, int],
) -> tuple[FoundBox, ...]:
    """Boxes found at one time, and those of classes taken by then."""

    def gone(label: int) -> bool:
        return taken.get(classes[label], state + 1) <= state

    was = [i for i in range(len(original)) if gone(int(original.labels[i]))]
    places = original.boxes[was]
    found, covered = [], set[int]()
    for i in range(len(now)):
        label = int(now.labels[i])
        here = _near(now.boxes[i], places)
        if gone(label):
            fate = Fate.STILL
            covered |= {j for j in here if int(original.labels[was[j]]) == label}
        elif here and not _is_there(scene, now.boxes[i], label):
            fate = Fate.STRAY
        else:
            fate = Fate.NAMED if classes[label] in taken else Fate.STAYS
        found.append(_box(scene, classes, now, i, fate))
    ghosts = (_box(scene, classes, original, i, Fate.GHOST) for j, i in enumerate(was) if j not in covered)
    return (*found, *ghosts)


def _near(box: Float[Tensor, "4"], places: Float[Tensor, "k 4"]) -> list[int]:
    """Indices of the boxes that stand where `box` does."""
    iou, _ = pairs(box[None], places)
    return [j for j in range(len(places)) if iou[0, j] >= OVERLAP]


def _is_there(scene: Scene, box: Float[Tensor, "4"], label: int) -> bool:
    """Whether an object of that class truly is where `box` is."""
    true = torch.tensor([one.corners for one in scene.boxes if one.label == label]).view(-1, 4)
    return bool(_near(box, true))


def _box(scene: Scene, classes: Sequence[str], found: Detections, i: int, fate: Fate) -> FoundBox:
    left, top, right, bottom = (float(edge) for edge in found.boxes[i])
    corners = (left / scene.width, top / scene.height, right / scene.width, bottom / scene.height)
    return FoundBox(corners, classes[int(found.labels[i])], float(found.scores[i]), fate)


def _jpeg(image: Pixels) -> bytes:
    small: Image.Image = as_picture(image).convert("RGB")
    small.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
