"""ONNX files on the command line: in, out, and what is said where they do not fit."""

import json
from pathlib import Path

import pytest
import torch

from expunge.cli.app import run
from expunge.vision import load_model
from expunge.vision.onnx._wire import places
from tests.vision.onnx_files import CLASSES, by_runtime, network, save


@pytest.fixture
def handmade(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "names.txt").write_text("\n".join(CLASSES))
    (tmp_path / "how.json").write_text('{"size": [8, 8], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}')
    path = save(network(), tmp_path)
    return (str(path), "--classes", str(tmp_path / "names.txt"), "--preprocess", str(tmp_path / "how.json"))


def test_inspect_shows_the_blocks_and_makes_a_model_directory(
    handmade: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["inspect", *handmade, "--out", str(tmp_path / "model")]) == 0
    said = capsys.readouterr().out
    assert "net: 2 blocks" in said
    assert "image classifier" in said
    assert (tmp_path / "model" / "model.onnx").read_bytes() == Path(handmade[0]).read_bytes()
    assert run(["inspect", str(tmp_path / "model")]) == 0
    assert said.split("sha256: ")[1][:64] in capsys.readouterr().out


def test_what_a_file_does_not_say_is_asked_for(handmade: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    path, *options = handmade
    for given, said in ((options[2:], "--classes FILE"), (options[:2], "--preprocess FILE")):
        assert run(["inspect", path, *given]) == 2
        assert said in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("command", ["inspect", "forget", "measure"])
def test_the_options_are_for_onnx_files(
    command: str, handmade: tuple[str, ...], toy_model_folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    more = {
        "forget": ["--data", "x", "--request", "a"],
        "measure": [str(toy_model_folder), "--data", "x", "--forgotten", "a"],
    }
    out = [] if command == "inspect" else ["--out", str(tmp_path / "out")]
    assert run([command, str(toy_model_folder), *more.get(command, []), *handmade[1:], *out]) == 2
    assert "are for ONNX files" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(tmp_path / "none.onnx")]) == 2
    assert "There is no file" in " ".join(capsys.readouterr().err.split())


def test_another_task_is_not_what_it_is_for(handmade: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", *handmade, "--task", "detection"]) == 2
    assert "is an image classifier" in " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_a_class_leaves_the_file_and_the_rest_of_the_file_stays(
    toy_onnx: Path, toy_data_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--classes", str(toy_onnx / "names.txt"), "--preprocess", str(toy_onnx / "how.json")]
    out, path = tmp_path / "run", toy_onnx / "model.onnx"
    asked = ["forget", str(path), "--data", str(toy_data_folder), "--request", "amber", "--request", "blue", *options]
    assert run([*asked, "--out", str(out)]) == 0
    assert "the same graph with only the edited numbers changed" in " ".join(capsys.readouterr().out.split())
    first, second = json.loads((out / "metrics.json").read_text())["requests"]
    assert (first["acc_f"]["after"], second["acc_o"]["after"]) == (0.0, 0.0)
    assert second["acc_r"]["after"] >= 95
    before, after = path.read_bytes(), (out / "model" / "model.onnx").read_bytes()
    differ = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    spans = [range(place.start, place.start + place.length) for place in places(before).values()]
    assert differ
    assert all(any(i in span for span in spans) for i in differ)
    pixels = torch.randn(3, 3, 32, 32)
    found = by_runtime(out / "model" / "model.onnx", pixels)
    torch.testing.assert_close(found, load_model(out / "model")(pixels).logits, rtol=1e-4, atol=1e-4)
    assert json.loads((out / "run.json").read_text())["classes"] == options[1]
    assert run([*asked, "--out", str(out), "--resume"]) == 0
    measured = [
        "measure",
        str(path),
        str(out / "model"),
        "--data",
        str(toy_data_folder),
        "--forgotten",
        "amber",
        *options,
    ]
    assert run([*measured, "--measures", "forgetting,linear-probe", "--out", str(tmp_path / "card")]) == 3
    card = json.loads((tmp_path / "card" / "scorecard.json").read_text())
    assert card["original"]["sha256"] != card["edited"]["sha256"]
