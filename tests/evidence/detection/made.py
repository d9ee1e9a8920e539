"""Scenes and answers made up for tests, small enough to count by hand or to check against another evaluator."""

import functools
import random
from dataclasses import dataclass

import torch
from PIL import Image

from expunge.data import Box, Scene, Scenes
from expunge.vision.detection import DetectionModel, Detections, to_centres
from expunge.vision.detection.scene_states import Objects, SceneView
from tests.vision.detection.detectors import detr, preprocess

SIDE = 100
NAMES = ("ant", "bee", "cat", "dog")


@dataclass(frozen=True)
class Blank:
    """A picture that nobody looks at."""

    name: str

    def load(self) -> Image.Image:
        return Image.new("RGB", (SIDE, SIDE))


def scenes(*parts: list[Box], classes: tuple[str, ...] = NAMES) -> Scenes:
    """One scene a list; boxes marked as crowds go where crowds are."""
    made = (
        Scene(
            Blank(str(number)),
            SIDE,
            SIDE,
            tuple(box for box in part if not box.crowd),
            tuple(box for box in part if box.crowd),
        )
        for number, part in enumerate(parts)
    )
    return Scenes(tuple(made), classes)


def found(*boxes: tuple[tuple[float, float, float, float], int, float]) -> Detections:
    """Answers to one scene: corners, label, score."""
    ordered = sorted(boxes, key=lambda box: -box[2])
    return Detections(
        torch.tensor([corners for corners, _, _ in ordered], dtype=torch.float32).view(-1, 4),
        torch.tensor([score for _, _, score in ordered], dtype=torch.float32),
        torch.tensor([label for _, label, _ in ordered], dtype=torch.int64),
        torch.arange(len(ordered)),
    )


def _corners(rng: random.Random) -> tuple[float, float, float, float]:
    x, y, width, height = rng.uniform(0, 60), rng.uniform(0, 60), rng.uniform(10, 40), rng.uniform(10, 40)
    return (x, y, x + width, y + height)


def wild(seed: int, n: int = 30) -> tuple[Scenes, tuple[Detections, ...]]:
    """Scenes with everything that may go wrong: groups, empty scenes, scenes without answers, ties, a boxless class.

    The last class has no object, the one before it only groups here and there; scores are coarse, so that many tie.
    """
    rng = random.Random(seed)
    parts, answers = [], []
    for number in range(n):
        boxes = [Box(_corners(rng), rng.randrange(3)) for _ in range(0 if number % 7 == 0 else rng.randrange(1, 7))]
        if number % 4 == 0:
            boxes.append(Box(_corners(rng), rng.randrange(3), crowd=True))
        said = []
        for box in boxes:
            for _ in range(rng.randrange(3)):
                near = tuple(edge + rng.gauss(0, 3) for edge in box.corners)
                label = box.label if rng.random() < 0.8 else rng.randrange(4)
                said.append(((near[0], near[1], near[2], near[3]), label, rng.randrange(1, 20) / 20))
        said += [(_corners(rng), rng.randrange(4), rng.randrange(1, 12) / 20) for _ in range(rng.randrange(4))]
        parts.append(boxes)
        answers.append(found(*([] if number % 11 == 3 else said)))
    return scenes(*parts), tuple(answers)


def view_of(truth: Scenes, *, lost: tuple[int, ...] = (), noise: float = 0.05, seed: int = 0) -> SceneView:
    """A detector with sigmoids and one query an object, sure of what it sees, but for the classes it has `lost`.

    Features of a class lie around one corner of a cube; of a lost class they are noise, and no query ever
    says its name.
    """
    generator = torch.Generator().manual_seed(seed)
    classes, queries = len(truth.classes), max(len(scene.boxes) for scene in truth.scenes) + 2
    logits = torch.full((len(truth), queries, classes), -6.0)
    boxes = torch.full((len(truth), queries, 4), 0.5)
    features, said, labels, where = [], [], [], []
    for number, scene in enumerate(truth.scenes):
        for query, box in enumerate(scene.boxes):
            boxes[number, query] = to_centres(torch.tensor(box.corners)) / SIDE
            knows = box.label not in lost
            mean = torch.eye(classes)[box.label] if knows else torch.full((classes,), 1 / classes)
            spread = noise if knows else 0.3
            features.append(mean + spread * torch.randn(classes, generator=generator))
            logits[number, query, box.label] = 3.0 + float(torch.rand((), generator=generator)) if knows else -1e4
            said.append(logits[number, query])
            labels.append(box.label)
            where.append(number)
    objects = Objects(torch.stack(features), torch.stack(said), torch.tensor(labels), torch.tensor(where))
    return SceneView(objects, logits, boxes, "sigmoid", tuple((s.width, s.height) for s in truth.scenes))


def grid(n: int = 40, per: int = 3, seed: int = 3) -> Scenes:
    """Scenes of objects that do not touch, all classes about as often."""
    rng = random.Random(seed)
    places = [(5.0 + 32 * i, 5.0 + 32 * j) for i in range(3) for j in range(3)]
    parts = []
    for _ in range(n):
        chosen = rng.sample(places, per)
        parts.append([Box((x, y, x + 24, y + 26), rng.randrange(len(NAMES))) for x, y in chosen])
    return scenes(*parts)


@functools.cache
def nobody() -> DetectionModel:
    """A tiny detector to stand in a case whose views are made up: nobody runs it."""
    return DetectionModel(detr(), ("ant", "bee", "cat"), preprocess=preprocess())
