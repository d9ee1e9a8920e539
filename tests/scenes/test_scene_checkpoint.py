"""The shipped checkpoint: it finds objects in scenes of cut-outs and places it has never seen."""

import json

import pytest
import torch

from expunge.vision.detection import DetectionModel, detect, pairs
from expunge.zoo.scenes import CLASSES, scene
from expunge.zoo.scenes.model import CHECKPOINT, RECIPE, scenes_detector


@pytest.fixture(scope="module")
def model() -> DetectionModel:
    return scenes_detector()


def test_it_is_small_and_its_result_is_beside_it() -> None:
    assert CHECKPOINT.stat().st_size < 5_000_000
    result = json.loads((CHECKPOINT.parent / "result.json").read_text())
    assert set(result["test"]["ap50_by_class"]) == set(CLASSES)
    assert result["recipe"]["scenes"] == RECIPE.scenes
    assert result["recipe"]["shape"]["dim"] == RECIPE.shape.dim
    assert result["recipe"]["epochs"] == RECIPE.epochs


def test_it_finds_most_objects_of_three_test_scenes(photos: None, model: DetectionModel) -> None:
    made = [scene(5, "test", index) for index in range(3)]
    with torch.no_grad():
        output = model(model.prepare([one.image for one in made]))
    boxed = named = objects = 0
    for one, found in zip(made, detect(output, [(224, 224)] * 3, most=20), strict=True):
        overlap, _ = pairs(found.boxes, torch.tensor(one.boxes))
        objects += len(one.boxes)
        boxed += int((overlap.max(0).values > 0.5).sum())
        same = found.labels[:, None] == torch.tensor(one.labels)[None]
        named += int((overlap * same).max(0).values.gt(0.5).sum())
    assert boxed >= 0.7 * objects
    assert named >= 0.4 * objects


def test_what_enters_the_decoder_is_small(photos: None, model: DetectionModel) -> None:
    pixels = model.prepare([scene(5, "test", 0).image])
    with torch.no_grad():
        hidden = model.enter(pixels, len(model.blocks) - 1)
        resumed, whole = model.resume(hidden, len(model.blocks) - 1), model(pixels)
    assert hidden.shape == (1, 256 * RECIPE.shape.dim + 2)
    assert torch.equal(resumed.logits, whole.logits)
