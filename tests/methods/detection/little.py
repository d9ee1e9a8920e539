"""Tiny detectors of random weights, and noise with boxes on it, for the methods to be tried on."""

import functools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from expunge.data import Box, Scene, Scenes
from expunge.memory import Prototypes
from expunge.methods import make_method
from expunge.tasks.detection._prototypes import prototypes_of
from expunge.tasks.detection.context import SceneContext
from expunge.tasks.request import ForgetTask
from expunge.vision.detection import DetectionModel, DetectionOutput, Kind
from expunge.vision.detection.scene_states import SceneCache
from tests.vision.detection.detectors import KINDS, SIDE, preprocess, randomise

CLASSES = ("ant", "bee", "cat")
BUILD = {kind.name: kind.build for kind in KINDS}
QUICK: dict[str, object] = {"epochs": 4, "max_steps": 2, "batch_size": 2, "validate_every": 2, "samples": 2}


@dataclass(frozen=True)
class Noise:
    """A prepared picture."""

    seed: int

    @property
    def name(self) -> str:
        return f"noise-{self.seed}"

    def load(self) -> Tensor:
        return torch.randn(3, SIDE, SIDE, generator=torch.Generator().manual_seed(self.seed))


def scene(seed: int, *labels: int) -> Scene:
    """One box a label, from left to right."""
    width = SIDE / max(1, len(labels))
    boxes = (Box((i * width, 8.0, (i + 0.8) * width, 40.0), label) for i, label in enumerate(labels))
    return Scene(Noise(seed), SIDE, SIDE, tuple(boxes))


TRAIN = Scenes(
    (scene(0, 0), scene(1, 1), scene(2, 0, 1), scene(3, 2, 1), scene(4, 2), scene(5, 0, 2), scene(6)), CLASSES
)
VALIDATION = Scenes((scene(10, 0, 1), scene(11, 1), scene(12, 2, 0)), CLASSES)
NOTHING = Scenes((), CLASSES)


def little_task(*, forgotten: tuple[int, ...] = (), validation: Scenes = VALIDATION) -> ForgetTask[Scenes]:
    """Forget the ant; some replayed scenes still show it, without its box."""
    return ForgetTask(
        targets=(0,),
        forgotten=forgotten,
        forget=TRAIN.only((0,)),
        retain=TRAIN.without((0, *forgotten)),
        validation=validation.without(forgotten),
    )


def little_model(kind: str, seed: int = 0) -> DetectionModel:
    return DetectionModel(randomise(BUILD[kind](), seed), CLASSES, preprocess=preprocess())


@functools.cache
def kept(model: DetectionModel, entry: int) -> tuple[SceneCache, Prototypes]:
    cache = SceneCache(model, entry)
    return cache, prototypes_of(cache, TRAIN)


def context_of(model: DetectionModel, entry: int = 0, *, seed: int = 0) -> SceneContext:
    return SceneContext(model, *kept(model, entry), seed=seed)


def made(name: str, **settings: object) -> Any:
    """A method by name, whatever of it a test looks at."""
    return make_method(name, task="detection", settings=settings)


def prototypes(context: SceneContext) -> Prototypes:
    assert context.prototypes is not None
    return context.prototypes


def said(logits: list[list[list[float]]], boxes: list[list[list[float]]], kind: Kind) -> DetectionOutput:
    """What a made-up detector says, image by image and query by query."""
    shape = (len(logits), len(logits[0]), 2)
    return DetectionOutput(torch.zeros(shape), torch.tensor(logits), torch.tensor(boxes), kind)
