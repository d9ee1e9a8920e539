"""A small model of the zoo comes back from the directory it was saved to, wherever a model is asked for by name."""

import json
from pathlib import Path

import pytest
import torch

from expunge.adapters import Edit, EditStack
from expunge.errors import CorruptWeightsError
from expunge.runs import load
from expunge.vision import VisionModel


def test_an_edited_one_comes_back_whole(tmp_path: Path) -> None:
    model = load("zoo:glyphs", device="cpu")
    assert isinstance(model, VisionModel)
    EditStack(model).push(Edit(masked=(3,)))
    model.save(tmp_path / "model")
    again = load(tmp_path / "model", device="cpu")
    assert isinstance(again, VisionModel)
    assert (again.digest(), again.classes, again.architecture) == (model.digest(), model.classes, "zoo:glyphs")
    pixels = torch.rand(2, 3, 28, 28)
    assert torch.equal(again(pixels).logits, model(pixels).logits)


def test_a_name_that_is_none_is_refused(tmp_path: Path) -> None:
    model = load("zoo:glyphs", device="cpu")
    assert isinstance(model, VisionModel)
    model.save(tmp_path / "model")
    file = tmp_path / "model" / "expunge.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"architecture": 3}))
    with pytest.raises(CorruptWeightsError, match="expected the name of an architecture, found 3"):
        load(tmp_path / "model", device="cpu")
