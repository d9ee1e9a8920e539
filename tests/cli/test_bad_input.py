"""Unusable input: exit code 2, one clear error, nothing left behind."""

import os
import shutil
from pathlib import Path

import pytest

from expunge.cli.app import run

GS_LORA = ("--request", "amber", "--method", "gs-lora")


def said(capsys) -> str:
    return " ".join(capsys.readouterr().err.split())


@pytest.fixture
def refused(tmp_path, toy_model_folder, toy_data_folder, capsys):
    """Runs `forget` with the given changes and checks that it is refused and leaves nothing."""

    def check(message: str, *arguments: str, model: Path | str = toy_model_folder, data: Path = toy_data_folder):
        out = tmp_path / "out"
        assert run(["forget", str(model), "--data", str(data), "--out", str(out), *arguments]) == 2
        assert message in said(capsys)
        assert not out.exists()

    return check


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("request 1 names 'zebra', which is no class of the model", ["--request", "zebra"]),
        ("request 1 names 'amber' twice", ["--request", "amber,amber"]),
        ("request 2 names 'amber', which request 1 already forgets", ["--request", "amber", "--request", "amber"]),
        ("the requests name all 6 classes", ["--request", "amber,blue,coral,dune,elm,fern"]),
        ("--request takes names separated by commas", ["--request", "amber,,blue"]),
        ("'amber' is both missing and to be forgotten", ["--request", "amber", "--missing", "amber"]),
        ("99", ["--request", "amber", "--shots", "99"]),
        ("unknown method 'magic'", ["--request", "amber", "--method", "magic"]),
        ("no setting 'epoch'", ["--request", "amber", "--set", "epoch=1"]),
        ("--set takes KEY=VALUE", ["--request", "amber", "--set", "epochs"]),
        ("say how many blocks it may edit with --set last_blocks=N", [*GS_LORA, "--depth", "fast"]),
        ("no setting 'depth'; it has: none", ["--request", "amber", "--method", "head-mask", "--depth", "fast"]),
        ("leave one out", ["--request", "amber", "--depth", "fast", "--set", "depth=fast"]),
        ("'abyss' is not one of 'fast', 'default', 'thorough'", ["--request", "amber", "--depth", "abyss"]),
        ("has no preset 'best'", ["--request", "amber", "--preset", "best"]),
        ("no-such-device", ["--request", "amber", "--device", "no-such-device"]),
    ],
)
def test_requests_and_options(refused, message, arguments) -> None:
    refused(message, *arguments)


def test_missing_option_is_a_usage_error(capsys) -> None:
    assert run(["forget", "somewhere"]) == 2
    assert "--data" in said(capsys)


class TestData:
    @pytest.fixture
    def data(self, tmp_path, toy_data_folder) -> Path:
        return Path(shutil.copytree(toy_data_folder, tmp_path / "data"))

    def test_empty_class_folder(self, refused, data) -> None:
        for path in (data / "train" / "elm").iterdir():
            path.unlink()
        refused("elm", "--request", "amber", data=data)

    def test_another_set_of_classes(self, refused, data) -> None:
        for split in ("train", "test"):
            (data / split / "elm").rename(data / split / "oak")
        refused("oak", "--request", "amber", data=data)

    def test_damaged_images_are_named_all_at_once(self, refused, data) -> None:
        for name in ("train/amber/3.png", "test/fern/1.png"):
            (data / name).write_bytes(b"\x89PNG but not really")
        refused("2 images cannot be read", "--request", "amber", data=data)

    def test_damaged_images_are_skipped_when_asked(self, tmp_path, toy_model_folder, data, capsys) -> None:
        (data / "train/amber/3.png").write_bytes(b"not an image")
        arguments = ["forget", str(toy_model_folder), "--data", str(data), "--out", str(tmp_path / "out")]
        assert run([*arguments, "--request", "amber", "--method", "head-mask", "--skip-unreadable"]) == 0
        assert "3.png" in said(capsys)

    def test_no_such_folder(self, refused, tmp_path) -> None:
        refused("nowhere", "--request", "amber", data=tmp_path / "nowhere")


class TestModel:
    @pytest.fixture
    def model(self, tmp_path, toy_model_folder) -> Path:
        return Path(shutil.copytree(toy_model_folder, tmp_path / "model"))

    def test_truncated_safetensors(self, refused, model) -> None:
        weights = model / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
        refused("are damaged", "--request", "amber", model=model)

    def test_pickle(self, refused, model) -> None:
        (model / "model.safetensors").rename(model / "pytorch_model.bin")
        refused("pickle", "--request", "amber", model=model)

    def test_hub_id_without_a_network(self, refused) -> None:
        refused("nobody/nothing", "--request", "amber", model="nobody/nothing")

    def test_unknown_zoo_name(self, refused) -> None:
        refused("no zoo model 'zoo:cats'; there is: zoo:faces", "--request", "amber", model="zoo:cats")


class TestOutput:
    def forget(self, toy_model_folder, toy_data_folder, out: Path, *more: str) -> int:
        arguments = ["forget", str(toy_model_folder), "--data", str(toy_data_folder), "--out", str(out)]
        return run([*arguments, "--request", "amber", "--method", "head-mask", *more])

    def test_a_folder_with_something_in_it_is_left_alone(
        self, toy_model_folder, toy_data_folder, tmp_path, capsys
    ) -> None:
        (tmp_path / "mine.txt").write_text("mine")
        assert self.forget(toy_model_folder, toy_data_folder, tmp_path) == 2
        assert "not an empty folder" in said(capsys)
        assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_read_only_folder(self, toy_model_folder, toy_data_folder, tmp_path, capsys) -> None:
        tmp_path.chmod(0o500)
        assert self.forget(toy_model_folder, toy_data_folder, tmp_path / "out") == 2
        assert "cannot write to" in said(capsys)
        tmp_path.chmod(0o700)

    def test_a_place_that_cannot_be_written(self, toy_model_folder, toy_data_folder, tmp_path, capsys) -> None:
        (tmp_path / "file").touch()
        assert self.forget(toy_model_folder, toy_data_folder, tmp_path / "file" / "out") == 2
        assert "cannot write to" in said(capsys)

    def test_resume_of_another_run(self, toy_model_folder, toy_data_folder, tmp_path, capsys) -> None:
        assert self.forget(toy_model_folder, toy_data_folder, tmp_path) == 0
        assert self.forget(toy_model_folder, toy_data_folder, tmp_path, "--resume", "--seed", "5") == 2
        assert "seed = 0, now asked: 5" in said(capsys)

    def test_an_empty_folder_of_the_user_stays_when_the_run_fails(
        self, toy_model_folder, toy_data_folder, tmp_path
    ) -> None:
        assert self.forget(toy_model_folder, toy_data_folder / "no", tmp_path) == 2
        assert list(tmp_path.iterdir()) == []


def test_names_with_markup_are_shown_as_they_are(toy_model_folder, toy_data_folder, tmp_path, capsys) -> None:
    arguments = ["forget", str(toy_model_folder), "--data", str(toy_data_folder), "--out", str(tmp_path / "o")]
    assert run([*arguments, "--request", "[red]x[/]", "--method", "head-mask"]) == 2
    assert "[red]x[/]" in said(capsys)
