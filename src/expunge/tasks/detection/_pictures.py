"""Test scenes as the report shows them, with what was found in each at each time of a run."""

import io
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from expunge.data import Pixels, Scene, Scenes, as_picture
from expunge.tasks.detection.answers import best_threshold, fired
from expunge.tasks.detection.matching import match_scenes
from expunge.tasks.shown import Answers, Fate, FoundBox, ScenePicture, Shown
from expunge.vision.detection import Detections, SceneView, pairs

SIDE, QUALITY = 360, 82
"""Longer side of a picture in the report in pixels, and the quality of its JPEG."""

MOST_SCENES, SETTLED = 8, 1
"""Scenes shown in all, and those among them from which no request takes anything."""

UNKNOWN = 0.5
"""Score from which on boxes count where the original detector finds nothing of what stays."""

OVERLAP = 0.5
"""Intersection over union from which on two boxes stand at one place."""


def show_scenes(test: Scenes, views: Sequence[SceneView], taken: Mapping[str, int]) -> Shown:
    """A few scenes with what was found in them, and what is said where forgotten objects are; see `Task.show`."""
    found = [view.found() for view in views]
    answers = _answers(test, found[0], found[-1], taken)
    scenes = tuple(
        _picture(test, i, [_sure(each[i], answers.threshold) for each in found], taken)
        for i in chosen_scenes(test, taken)
    )
    return Shown(scenes=scenes, answers=answers)


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
