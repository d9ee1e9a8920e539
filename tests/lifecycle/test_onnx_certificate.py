"""A classifier read from an ONNX file, in a workspace up to a verified certificate, and back."""

import json
from pathlib import Path

import pytest

from expunge.cli.app import run
from expunge.vision import load_model
from tests.lifecycle.conftest import LENIENT

pytestmark = pytest.mark.slow


def test_from_a_file_to_a_verified_certificate(
    tmp_path, monkeypatch, capsys, toy_onnx: Path, toy_data_folder, photos
) -> None:
    def call(*arguments: object) -> str:
        capsys.readouterr()
        assert run([str(argument) for argument in arguments]) == 0
        return capsys.readouterr().out

    monkeypatch.setenv("EXPUNGE_ACTOR", "jane")
    (tmp_path / "rules.toml").write_text(LENIENT)
    told = ("--classes", toy_onnx / "names.txt", "--preprocess", toy_onnx / "how.json")
    call("inspect", toy_onnx / "model.onnx", *told, "--out", tmp_path / "model")
    call("init", tmp_path / "place", "--model", tmp_path / "model", "--policy", tmp_path / "rules.toml")
    monkeypatch.chdir(tmp_path / "place")
    call("submit", "--target", "amber", "--images", photos("amber"))
    request = json.loads(call("list", "--json"))[0]["id"]
    call("approve", request)
    call("run", "--once", "--data", toy_data_folder)
    call("release", request)
    call("certificate", request, "--out", "c.json")
    said = call("verify", "c.json", "--key", "keys/ledger.pub", "--model", "releases/0002/model")
    assert ("verified" in said, "model-after" in said) == (True, True)
    released = load_model(Path("releases/0002/model"))
    assert released.digest() != load_model(tmp_path / "model").digest()
    assert Path("releases/0001/model/model.onnx").read_bytes() == (toy_onnx / "model.onnx").read_bytes()
    assert len(Path("releases/0002/model/model.onnx").read_bytes()) == (toy_onnx / "model.onnx").stat().st_size
    call("rollback", request, "--why", "a mistake")
    current = json.loads(Path("releases/current").read_text())["number"]
    assert load_model(Path(f"releases/{current:04d}/model")).digest() == load_model(tmp_path / "model").digest()
