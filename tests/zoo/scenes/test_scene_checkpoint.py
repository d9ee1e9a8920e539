"""The shipped checkpoint: it finds people in scenes of photos it has never seen."""

import json
from typing import Any

import pytest
import torch

from expunge.vision.detection import DetectionModel, DetectionOutput, detect, pairs
from expunge.zoo.scenes import CLASSES, ComposedScene
from expunge.zoo.scenes.cutouts import digest
from expunge.zoo.scenes.model import CHECKPOINT, RECIPE, scenes_detector

LOOKED_AT = 4


@pytest.fixture(scope="module")
def model() -> DetectionModel:
    return scenes_detector()


@pytest.fixture(scope="module")
def output(model: DetectionModel, made: tuple[ComposedScene, ...]) -> DetectionOutput:
    with torch.no_grad():
        return model(model.prepare([one.image for one in made[:LOOKED_AT]]))


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    return json.loads((CHECKPOINT.parent / "result.json").read_text())


def test_it_is_small_and_its_result_is_beside_it(result: dict[str, Any]) -> None:
    assert CHECKPOINT.stat().st_size < 5_000_000
    assert tuple(result["test"]["ap50_by_class"]) == CLASSES
    assert result["recipe"]["scenes"] == RECIPE.scenes
    assert result["recipe"]["shape"]["dim"] == RECIPE.shape.dim
    assert result["recipe"]["epochs"] == RECIPE.epochs


def test_its_result_was_taken_on_these_photos_and_reaches_the_aim(result: dict[str, Any]) -> None:
    assert result["pictures"] == digest()
    assert result["test"]["ap50"] >= 60
    each = result["test"]["ap50_by_class"].values()
    assert result["test"]["ap50"] == pytest.approx(sum(each) / len(each), abs=0.01)


def test_it_finds_and_names_most_people_of_some_test_scenes(
    model: DetectionModel, made: tuple[ComposedScene, ...], output: DetectionOutput
) -> None:
    assert model.classes == CLASSES
    named = objects = 0
    for one, found in zip(made, detect(output, [(224, 224)] * LOOKED_AT, threshold=0.3), strict=False):
        overlap, _ = pairs(found.boxes, torch.tensor(one.boxes))
        same = found.labels[:, None] == torch.tensor(one.labels)[None]
        objects += len(one.boxes)
        named += int((overlap * same).max(0).values.gt(0.5).sum())
    assert objects >= 12
    assert named >= 0.8 * objects


def test_what_enters_the_decoder_is_small(
    model: DetectionModel, made: tuple[ComposedScene, ...], output: DetectionOutput
) -> None:
    top = len(model.blocks) - 1
    with torch.no_grad():
        hidden = model.enter(model.prepare([one.image for one in made[:LOOKED_AT]]), top)
        resumed = model.resume(hidden, top)
    assert hidden.shape == (LOOKED_AT, 256 * RECIPE.shape.dim + 2)
    assert torch.equal(resumed.logits, output.logits)
