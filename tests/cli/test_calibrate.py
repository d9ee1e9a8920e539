"""`expunge calibrate` as a user runs it, in this process, and what the memory is then good for."""

import json
import re
import shutil
from pathlib import Path

import pytest

from expunge.cli.app import run
from expunge.memory import forget_classes, load_memory
from expunge.vision import load_model


@pytest.fixture(scope="module")
def memory(toy_model_folder: Path, toy_data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calibrate") / "memory"
    assert run(arguments(toy_model_folder, toy_data_folder, folder)) == 0
    return folder


def arguments(model: Path, data: Path, out: Path, *more: str) -> list[str]:
    return ["calibrate", str(model), "--data", str(data), "--out", str(out), *more]


def said(capsys) -> str:
    return " ".join(capsys.readouterr().err.split())


def test_it_says_what_it_keeps(toy_model_folder, toy_data_folder, tmp_path, capsys) -> None:
    out = tmp_path / "m"
    assert run(arguments(toy_model_folder, toy_data_folder, out, "--rank", "2", "--depth", "fast")) == 0
    printed = capsys.readouterr().out
    found = load_memory(out, load_model(toy_model_folder))
    size = sum(path.stat().st_size for path in out.glob("*.safetensors"))
    assert f"classes: 6 of 6\nimages: 48\nbytes: {size:,}\n" in printed
    assert re.search(r"seconds: \d+\.\d\n", printed)
    assert f"memory: {out}, what enters block 2" in printed
    assert found.entry == 2
    assert {len(one.factors) for one in found.statistics.values()} == {2}


def test_by_default_it_serves_every_depth(memory, toy_model_folder) -> None:
    from expunge.methods.closed_form import ClosedForm

    model = load_model(toy_model_folder)
    found = load_memory(memory, model)
    assert found.known == tuple(range(6))
    for depth in ("fast", "default", "thorough"):
        found.check_entry(ClosedForm(depth=depth).first_block(model), "closed-form")


def test_a_class_without_images(toy_model_folder, toy_data_folder, tmp_path, capsys) -> None:
    data = Path(shutil.copytree(toy_data_folder, tmp_path / "data"))
    for split in ("train", "test"):
        shutil.rmtree(data / split / "elm")
    assert run(arguments(toy_model_folder, data, tmp_path / "m")) == 2
    assert "elm" in said(capsys)
    assert run(arguments(toy_model_folder, data, tmp_path / "m", "--partial")) == 0
    assert load_memory(tmp_path / "m").known == (0, 1, 2, 3, 5)


def test_a_run_with_a_memory_leaves_it_as_it_is(memory, toy_model_folder, toy_data_folder, tmp_path) -> None:
    before = {path.name: path.read_bytes() for path in memory.iterdir()}
    command = ["forget", str(toy_model_folder), "--data", str(toy_data_folder), "--out", str(tmp_path / "out")]
    command += ["--request", "amber", "--method", "head-mask", "--memory", str(memory)]
    assert run(command) == 0
    assert run([*command, "--resume"]) == 0
    assert json.loads((tmp_path / "out" / "run.json").read_text())["memory"] == str(memory)
    assert {path.name: path.read_bytes() for path in memory.iterdir()} == before


def test_with_a_memory_train_may_be_empty(memory, toy_model_folder, toy_data_folder, tmp_path, capsys) -> None:
    data, out = Path(shutil.copytree(toy_data_folder, tmp_path / "data")), tmp_path / "out"
    command = ["forget", str(toy_model_folder), "--data", str(data), "--request", "amber"]
    for name in ("blue", "coral", "dune", "elm", "fern"):
        shutil.rmtree(data / "train" / name)
    assert run([*command, "--out", str(tmp_path / "kept"), "--memory", str(memory)]) == 0
    shutil.rmtree(data / "train")
    assert run([*command, "--out", str(out), "--memory", str(memory)]) == 0
    (request,) = json.loads((out / "metrics.json").read_text())["requests"]
    assert request["images"] == {"forget": 0, "retain": 0}
    assert request["acc_f"]["after"] == 0
    assert request["acc_r"]["after"] > 80
    capsys.readouterr()
    assert run([*command, "--out", str(tmp_path / "none")]) == 2
    assert "classes without training images, though they have test images (5): 'blue', 'coral'" in said(capsys)
    assert run([*command, "--out", str(tmp_path / "none"), "--memory", str(memory), "--method", "head-mask"]) == 2
    assert "classes without training images" in said(capsys)


def test_a_class_that_neither_images_nor_the_memory_know(
    memory, toy_model_folder, toy_data_folder, tmp_path, capsys
) -> None:
    data = Path(shutil.copytree(toy_data_folder, tmp_path / "data"))
    known = Path(shutil.copytree(memory, tmp_path / "known"))
    forget_classes(known, ["fern"])
    shutil.rmtree(data / "train" / "fern")
    command = ["forget", str(toy_model_folder), "--data", str(data), "--memory", str(known)]
    command += ["--out", str(tmp_path / "out"), "--request"]
    for more in ([], ["--partial"]):
        assert run([*command, "amber", *more]) == 2
        assert "classes without training images, though they have test images (1): 'fern'" in said(capsys)
    assert run([*command, "fern"]) == 2
    assert "class 'fern' is to be forgotten but has no training image" in said(capsys)
    assert run([*command, "amber", "--missing", "fern"]) == 0


def test_calibrating_wants_images(toy_model_folder, toy_data_folder, tmp_path, capsys) -> None:
    data = Path(shutil.copytree(toy_data_folder, tmp_path / "data"))
    shutil.rmtree(data / "train")
    assert run(arguments(toy_model_folder, data, tmp_path / "m")) == 2
    assert "classes without training images" in said(capsys)
    assert run(arguments(toy_model_folder, data, tmp_path / "m", "--partial")) == 2
    assert "no training image of any class" in said(capsys)


def test_unusable_input_leaves_nothing(memory, toy_model_folder, toy_data_folder, tmp_path, capsys) -> None:
    out = tmp_path / "m"
    assert run(arguments(toy_model_folder, tmp_path / "nowhere", out)) == 2
    assert run(arguments(toy_model_folder, toy_data_folder, out, "--depth", "abyss")) == 2
    assert run(arguments(toy_model_folder, toy_data_folder, out, "--rank", "0")) == 2
    assert run(arguments(toy_model_folder, toy_data_folder, out, "--device", "abacus")) == 2
    assert list(tmp_path.iterdir()) == []
    assert run(arguments(toy_model_folder, toy_data_folder, memory)) == 2
    assert "not an empty folder" in said(capsys)


def test_a_memory_of_another_model_is_refused(memory, toy_model_folder, toy_data_folder, tmp_path, capsys) -> None:
    changed = Path(shutil.copytree(memory, tmp_path / "changed"))
    index = changed / "memory.json"
    index.write_text(index.read_text().replace(json.loads(index.read_text())["model"], "0" * 64))
    command = ["forget", str(toy_model_folder), "--data", str(toy_data_folder), "--out", str(tmp_path / "out")]
    assert run([*command, "--request", "amber", "--method", "head-mask", "--memory", str(changed)]) == 2
    assert f"from a model with sha256 {'0' * 64}" in said(capsys)
    assert run([*command, "--request", "amber", "--method", "head-mask", "--memory", str(tmp_path)]) == 2
    assert "is no memory" in said(capsys)
    assert not (tmp_path / "out").exists()
    assert run(["init", str(tmp_path / "w"), "--model", str(toy_model_folder), "--memory", str(changed)]) == 2
    assert not (tmp_path / "w").exists()


def test_help_has_an_example(capsys) -> None:
    assert run(["calibrate", "--help"]) == 0
    assert "Example: expunge calibrate" in " ".join(capsys.readouterr().out.split())
