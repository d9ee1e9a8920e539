"""`inspect`, `methods` and `measure` where a detector is asked about."""

import json
from pathlib import Path

from expunge.adapters import Edit, EditStack
from expunge.cli.app import run
from expunge.runs import load, task_at
from expunge.vision import VisionModel


def test_a_model_is_told_by_its_configuration(detector_folder: Path, toy_model_folder: Path) -> None:
    assert task_at(detector_folder).name == task_at("zoo:scenes").name == "detection"
    assert task_at(toy_model_folder).name == "classification"
    assert task_at("zoo:faces").name == "classification"
    assert isinstance(load(toy_model_folder, device="cpu"), VisionModel)


def test_inspect_shows_encoder_and_decoder(detector_folder: Path, capsys) -> None:
    assert run(["inspect", str(detector_folder)]) == 0
    shown = capsys.readouterr().out
    assert "task: object detector" in shown
    assert "model.decoder.layers.1" in shown
    assert "class_labels_classifier (sigmoid), 3 classes" in shown


def test_measure_writes_a_scorecard(detector_folder: Path, scenes_folder: Path, tmp_path: Path) -> None:
    model = load(detector_folder, device="cpu")
    EditStack(model).push(Edit(masked=(0,)))
    model.save(tmp_path / "masked")
    out = tmp_path / "out"
    arguments = ["measure", str(detector_folder), str(tmp_path / "masked"), "--data", str(scenes_folder)]
    names = "average-precision,relabelling"
    assert run([*arguments, "--forgotten", "ant", "--measures", names, "--out", str(out)]) == 3
    rows = {row["key"]: row for row in json.loads((out / "scorecard.json").read_text())["rows"]}
    assert rows["acc_f"]["value"] == 0
    assert rows["acc_f"]["original"] > 20
    assert rows["acc_r"]["value"] == rows["acc_r"]["original"]
