"""The zoo's detector: its edited weights saved and read again, and the whole demo."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from expunge.adapters import Edit, EditStack
from expunge.cli.app import run
from expunge.errors import CorruptWeightsError, ModelNotFoundError, OutputError
from expunge.runs import load
from expunge.vision.detection import DetectionModel, read_own_weights
from expunge.zoo import data_entry, model_entry

BIAS = "decoder.2.ffn.fc2.bias"


@pytest.fixture(scope="module")
def edited() -> DetectionModel:
    """The fourth person struck, and a layer of the decoder changed."""
    model = model_entry("zoo:scenes").model()
    EditStack(model).push(Edit(masked=(3,), dense={f"detector.{BIAS}": torch.full((128,), 0.25)}))
    return model


@pytest.fixture
def saved(edited: DetectionModel, tmp_path: Path) -> Path:
    edited.save(tmp_path / "model")
    return tmp_path / "model"


def test_an_edited_detector_is_read_again_bit_for_bit(edited: DetectionModel, saved: Path) -> None:
    found = load(saved, device="cpu")
    assert isinstance(found, DetectionModel)
    assert found.digest() == edited.digest() != model_entry("scenes").model().digest()
    assert (found.name, found.source) == ("model", saved)
    assert all(name.split(".")[0] != "backbone" for name in load_file(saved / "model.safetensors"))
    manifest = json.loads((saved / "expunge.json").read_text())
    assert (manifest["architecture"], manifest["part"]) == ("zoo:scenes", "detector")
    assert manifest["sha256"] == edited.digest()


def test_a_folder_with_something_in_it_is_left_alone(edited: DetectionModel, saved: Path) -> None:
    before = (saved / "model.safetensors").read_bytes()
    with pytest.raises(OutputError, match="to be empty or new"):
        edited.save(saved)
    assert (saved / "model.safetensors").read_bytes() == before


def test_changed_weights_are_noticed(edited: DetectionModel, saved: Path) -> None:
    kept = {name: value.clone() for name, value in edited.module.state_dict().items()}
    weights = load_file(saved / "model.safetensors")
    save_file(weights | {BIAS: weights[BIAS] + 1}, saved / "model.safetensors")
    with pytest.raises(CorruptWeightsError, match="is not the one that was written"):
        read_own_weights(edited, saved)
    edited.module.load_state_dict(kept)


@pytest.mark.parametrize("damage", ["cut", "another", "gone"])
def test_damage_is_named(edited: DetectionModel, saved: Path, damage: str) -> None:
    weights = saved / "model.safetensors"
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "another":
        save_file({"x": torch.zeros(1)}, weights)
    else:
        weights.unlink()
    with pytest.raises(CorruptWeightsError, match="is damaged or does not fit"):
        read_own_weights(edited, saved)


def test_another_order_of_classes_is_refused(edited: DetectionModel, saved: Path) -> None:
    manifest = json.loads((saved / "expunge.json").read_text())
    manifest["classes"].reverse()
    (saved / "expunge.json").write_text(json.dumps(manifest))
    with pytest.raises(CorruptWeightsError, match="does not describe a detector like"):
        read_own_weights(edited, saved)


def test_an_unknown_architecture_is_refused(saved: Path) -> None:
    text = (saved / "expunge.json").read_text()
    (saved / "expunge.json").write_text(text.replace("zoo:scenes", "zoo:cities"))
    with pytest.raises(ModelNotFoundError, match="no zoo model 'zoo:cities'"):
        load(saved)


def test_entries_are_kept_apart() -> None:
    with pytest.raises(
        ModelNotFoundError, match="zoo:scenes is for detection; expected data for classification: zoo:f"
    ):
        data_entry("zoo:scenes", "classification")
    with pytest.raises(ModelNotFoundError, match="zoo:glyphs is for classification; expected data for detection: zoo"):
        data_entry("glyphs", "detection")
    with pytest.raises(ModelNotFoundError, match="there is: zoo:faces, zoo:faces-30, zoo:fashion, zoo:glyphs, zoo:sc"):
        model_entry("zoo:cats")


@pytest.mark.slow
def test_the_demo_reaches_its_aims(tmp_path: Path) -> None:
    torch.set_num_threads(2)
    try:
        assert run(["demo", "--task", "detection", "--out", str(tmp_path / "demo")]) == 0
    finally:
        torch.set_num_threads(1)
    metrics = json.loads((tmp_path / "demo/metrics.json").read_text())
    assert (metrics["task"], metrics["unit"], metrics["method"]) == ("detection", "AP50", "closed-form++")
    assert metrics["baseline"]["acc"] >= 85
    assert [len(request["classes"]) for request in metrics["requests"]] == [2, 2, 2, 2]
    for request in metrics["requests"]:
        assert request["acc_f"]["after"] <= 5
        assert request["acc_o"] is None or request["acc_o"]["after"] <= 5
        assert request["acc_r"]["after"] >= request["acc_r"]["before"] - 5
    assert isinstance(load(tmp_path / "demo/model", device="cpu"), DetectionModel)
    assert "ghost" in (tmp_path / "demo/report.html").read_text()
