"""Unusable input for detectors: exit code 2, one clear error, nothing left behind."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from expunge.cli.app import run
from expunge.runs import load
from tests.runs.detection.coco_folder import read_part, write_part

ANT = ("--request", "ant", "--method", "head-mask")


def said(capsys) -> str:
    return " ".join(capsys.readouterr().err.split())


@pytest.fixture
def data(tmp_path: Path, scenes_folder: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(scenes_folder, tmp_path / "data"))


@pytest.fixture
def refused(tmp_path: Path, detector_folder: Path, scenes_folder: Path, capsys):
    """Runs `forget` and checks that it is refused with one error and leaves nothing."""

    def check(message: str, *arguments: str, model: Path | str = detector_folder, data: Path | str = scenes_folder):
        out = tmp_path / "out"
        assert run(["forget", str(model), "--data", str(data), "--out", str(out), *arguments]) == 2
        error = said(capsys)
        assert message in error
        assert error.count("error:") == 1
        assert not out.exists()

    return check


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("request 1 names 'zebra', which is no class of the model", ["--request", "zebra", "--method", "head-mask"]),
        ("no statistics are kept of an object detector", [*ANT, "--memory", "somewhere"]),
        (
            "method 'scrub' is for image classifiers and embedders; for object detectors there are: closed-form",
            ["--request", "ant", "--method", "scrub"],
        ),
        ("99 shots were asked for", [*ANT, "--shots", "99"]),
        ("the requests name all 3 classes", ["--request", "ant,bee,cat", "--method", "head-mask"]),
    ],
)
def test_requests_and_options(refused, message: str, arguments: list[str]) -> None:
    refused(message, *arguments)


def test_images_of_classes_for_a_detector(refused, toy_data_folder: Path) -> None:
    refused("holds no boxes; an object detector needs COCO's layout", *ANT, data=toy_data_folder)


def test_scenes_for_a_classifier(refused, toy_model_folder: Path) -> None:
    refused("for object detectors; a classifier needs train/<class>/*", *ANT, model=toy_model_folder)


def test_images_of_the_zoo_for_a_detector(refused) -> None:
    refused("zoo:faces is for classification; expected data for detection: zoo:scenes", *ANT, data="zoo:faces")


def test_scenes_of_the_zoo_for_a_classifier(refused, toy_model_folder: Path) -> None:
    refused(
        "zoo:scenes is for detection; expected data for classification: zoo:faces",
        *ANT,
        model=toy_model_folder,
        data="zoo:scenes",
    )


def test_no_such_folder(refused, tmp_path: Path) -> None:
    refused("nowhere", *ANT, data=tmp_path / "nowhere")


@pytest.mark.parametrize(("part", "kind"), [("train", "training"), ("test", "test")])
def test_a_class_to_forget_without_a_box(refused, data: Path, part: str, kind: str) -> None:
    content = read_part(data, part)
    write_part(data, part, content["images"], [a for a in content["annotations"] if a["category_id"] != 1])
    refused(f"class 'ant' is to be forgotten but has no {kind} object", *ANT, data=data)


@pytest.mark.parametrize("part", ["train", "test"])
def test_images_without_any_box(refused, data: Path, part: str) -> None:
    write_part(data, part, read_part(data, part)["images"], [])
    refused("class 'ant' is to be forgotten but has no", *ANT, data=data)


def test_nothing_that_stays_has_a_box(refused, data: Path) -> None:
    content = read_part(data, "test")
    write_part(data, "test", content["images"], [a for a in content["annotations"] if a["category_id"] == 1])
    refused("no class that stays has a test object", *ANT, data=data)


def test_a_missing_image(refused, data: Path) -> None:
    (data / "test" / "0.png").unlink()
    refused("1 of 4 images", *ANT, data=data)


def test_a_damaged_image(refused, data: Path) -> None:
    (data / "train" / "2.png").write_bytes(b"\x89PNG but not really")
    refused("1 images cannot be read", *ANT, data=data)


def test_damaged_images_are_left_out_when_asked(detector_folder: Path, data: Path, tmp_path: Path, capsys) -> None:
    (data / "train" / "2.png").write_bytes(b"not a picture")
    (data / "train" / "1.png").unlink()
    arguments = ["forget", str(detector_folder), "--data", str(data), "--out", str(tmp_path / "out"), *ANT]
    assert run([*arguments, "--skip-unreadable"]) == 0
    error = said(capsys)
    assert "pictures that cannot be decoded, left out with their boxes: 1" in error
    assert "images that are not in the folder, left out with their boxes: 1" in error


def test_an_image_of_another_size(refused, data: Path) -> None:
    content = read_part(data, "test")
    content["images"][0]["width"] += 7
    write_part(data, "test", content["images"], content["annotations"])
    refused("its boxes were drawn on 57 x 40", *ANT, data=data)


def test_a_class_that_the_detector_does_not_know(refused, data: Path) -> None:
    for part in ("train", "test"):
        path = data / "annotations" / f"instances_{part}.json"
        path.write_text(path.read_text().replace('"cat"', '"cow"'))
    refused("the detector does not know 1 of the data's 3 classes ('cow')", *ANT, data=data)


def test_a_detector_whose_pictures_keep_their_shape(refused, detector_folder: Path, tmp_path: Path) -> None:
    from transformers import DetrImageProcessorPil

    model = Path(shutil.copytree(detector_folder, tmp_path / "model"))
    DetrImageProcessorPil(size={"shortest_edge": 64, "longest_edge": 96}).save_pretrained(model)
    loaded = load(model, device="cpu")
    shapes = {tuple(loaded.prepare([Image.new("RGB", size)]).shape[-2:]) for size in ((64, 96), (96, 64), (64, 64))}
    assert shapes == {(96, 96)}, "padded to one size"
    DetrImageProcessorPil(size={"shortest_edge": 64, "longest_edge": 96}, do_pad=False).save_pretrained(model)
    refused("forgetting needs one size", *ANT, model=model)


def test_calibrate_works_on_classifiers_alone(detector_folder: Path, scenes_folder: Path, tmp_path, capsys) -> None:
    out = tmp_path / "memory"
    assert run(["calibrate", str(detector_folder), "--data", str(scenes_folder), "--out", str(out)]) == 2
    assert "no statistics are kept of an object detector" in said(capsys)
    assert not out.exists()


def test_measure_wants_models_of_one_kind(detector_folder, toy_model_folder, scenes_folder, tmp_path, capsys) -> None:
    arguments = ["measure", str(detector_folder), str(toy_model_folder), "--data", str(scenes_folder)]
    assert run([*arguments, "--forgotten", "ant", "--out", str(tmp_path / "out")]) == 2
    assert "name models of one task" in said(capsys)
