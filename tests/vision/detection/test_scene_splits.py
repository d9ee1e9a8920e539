"""Folders in COCO's layout, with and without years, whole and broken."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from expunge.data import Notice, Scene, Scenes, Splits, load_coco_splits
from expunge.data.coco import MISSING, NO_AREA
from expunge.data.coco_folder import is_coco
from expunge.data.files import FileSample
from expunge.errors import (
    ClassMismatchError,
    CocoError,
    DataError,
    DataLayoutError,
    MissingImagesError,
    UnknownCategoryError,
)
from tests.vision.detection.drawn import box, drawn_scene, drawn_scenes

CATEGORIES = ((7, "dog"), (2, "cat"))


def write(
    folder: Path,
    part: str,
    n: int = 1,
    *,
    categories: tuple[tuple[int, str], ...] = CATEGORIES,
    side: int = 10,
    width: float = 4,
) -> None:
    """A part of `n` pictures, each with one box of the first category."""
    (folder / part).mkdir(parents=True)
    (folder / "annotations").mkdir(exist_ok=True)
    for i in range(n):
        Image.new("RGB", (side, side)).save(folder / part / f"{part}-{i}.png")
    content: dict[str, Any] = {
        "images": [{"id": i, "file_name": f"{part}-{i}.png", "width": side, "height": side} for i in range(n)],
        "categories": [{"id": number, "name": name} for number, name in categories],
        "annotations": [
            {"id": i, "image_id": i, "category_id": categories[0][0], "bbox": [1, 2, width, 4]} for i in range(n)
        ],
    }
    (folder / "annotations" / f"instances_{part}.json").write_text(json.dumps(content))


def names(scenes: Scenes) -> list[str]:
    return [scene.sample.name for scene in scenes.scenes]


@pytest.mark.parametrize(
    ("train", "test", "validation"),
    [
        ("train", "test", "validation"),
        ("train2017", "val2017", None),
        ("train2014", "val2017", None),
        ("train", "val", None),
        ("train2017", "test2017", "validation2017"),
    ],
)
def test_parts_are_found_by_name_and_year(tmp_path: Path, train: str, test: str, validation: str | None) -> None:
    for part, n in ((train, 3), (test, 2), (validation, 1)):
        if part is not None:
            write(tmp_path, part, n)
    assert is_coco(tmp_path)
    data = load_coco_splits(str(tmp_path))
    assert names(data.train) == [f"{train}-{i}.png" for i in range(3)]
    assert names(data.test) == [f"{test}-{i}.png" for i in range(2)]
    assert names(data.validation) == ([f"{validation}-0.png"] if validation else [])
    assert data.classes == data.validation.classes == ("cat", "dog")  # by their ids, 2 and 7
    assert [(box.corners, box.label) for box in data.test.scenes[0].boxes] == [((1, 2, 5, 6), 1)]
    assert data.train.scenes[0].load() is not None


def test_a_test_part_goes_before_cocos_val(tmp_path: Path) -> None:
    for part in ("train2017", "val2017", "test2017"):
        write(tmp_path, part)
    assert names(load_coco_splits(tmp_path).test) == ["test2017-0.png"]


def test_other_files_of_coco_are_left_alone(tmp_path: Path) -> None:
    for part in ("train2017", "val2017"):
        write(tmp_path, part)
    for other in ("captions_val2017.json", "person_keypoints_train2017.json", "instances_minival.json"):
        (tmp_path / "annotations" / other).write_text("no JSON")
    assert names(load_coco_splits(tmp_path).train) == ["train2017-0.png"]


@pytest.mark.parametrize(
    ("parts", "found"),
    [((), "none"), (("train2017",), "train2017"), (("val2017",), "val2017"), (("training", "test"), "test, training")],
)
def test_a_missing_part_is_named_with_what_is_there(tmp_path: Path, parts: tuple[str, ...], found: str) -> None:
    for part in parts:
        write(tmp_path, part)
    with pytest.raises(DataLayoutError, match=rf"instances_train\.json and instances_test\.json .*; found {found}$"):
        load_coco_splits(tmp_path)


def test_a_folder_without_annotations_is_no_coco(tmp_path: Path) -> None:
    (tmp_path / "train" / "cat").mkdir(parents=True)
    assert not is_coco(tmp_path)
    with pytest.raises(DataLayoutError, match="found none"):
        load_coco_splits(tmp_path)


@pytest.mark.parametrize("twice", [("train2014", "train2017"), ("train", "train2017")])
def test_several_parts_of_one_name_are_refused(tmp_path: Path, twice: tuple[str, str]) -> None:
    for part in (*twice, "val2017"):
        write(tmp_path, part)
    with pytest.raises(DataLayoutError, match=f"several parts for train: {twice[0]}, {twice[1]}; keep one"):
        load_coco_splits(tmp_path)


def test_classes_set_the_order_of_labels_in_all_parts(tmp_path: Path) -> None:
    for part in ("train", "test"):
        write(tmp_path, part)
    data = load_coco_splits(tmp_path, classes=("dog", "N/A", "cat"))
    assert data.classes == data.validation.classes == ("dog", "N/A", "cat")
    assert data.train.scenes[0].boxes[0].label == data.test.scenes[0].boxes[0].label == 0
    with pytest.raises(UnknownCategoryError, match="categories that are no class: cat"):
        load_coco_splits(tmp_path, classes=("dog",))


@pytest.mark.parametrize(
    "other", [((7, "dog"), (2, "eel")), ((1, "dog"), (2, "cat")), ((7, "dog"),)], ids=["names", "order", "fewer"]
)
@pytest.mark.parametrize("part", ["test", "validation"])
def test_parts_with_other_classes_are_refused(tmp_path: Path, part: str, other: tuple[tuple[int, str], ...]) -> None:
    for name in {"train", "test", part}:
        write(tmp_path, name, categories=other if name == part else CATEGORIES)
    with pytest.raises(ClassMismatchError, match=f"the {part} part has other classes"):
        load_coco_splits(tmp_path)


def test_parts_made_in_memory_are_checked_as_well() -> None:
    some, other = Scenes((), ("cat",)), Scenes((), ("dog",))
    assert Splits(some, some, some).classes == ("cat",)
    with pytest.raises(ClassMismatchError, match="the validation part"):
        Splits(some, other, some)


def test_a_sum_holds_the_scenes_and_notices_of_both() -> None:
    first = drawn_scenes(drawn_scene(1, box(0)), drawn_scene(2))
    second = replace(drawn_scenes(drawn_scene(3)), notices=(Notice("mended", 2, "3.png"),))
    both = first + second
    assert names(both) == ["1.png", "2.png", "3.png"]
    assert both.notices == second.notices
    with pytest.raises(DataError, match="there more than once"):
        _ = first + first
    with pytest.raises(DataError, match="scenes of other classes cannot be joined"):
        _ = first + Scenes((), ("dog",))


def test_pictures_that_are_not_there_are_refused_or_counted(tmp_path: Path) -> None:
    write(tmp_path, "train", 3)
    write(tmp_path, "test", 2)
    (tmp_path / "test" / "test-1.png").unlink()
    with pytest.raises(MissingImagesError, match=r"1 of 2 images .*test-1\.png"):
        load_coco_splits(tmp_path)
    data = load_coco_splits(tmp_path, skip_missing=True)
    assert names(data.test) == ["test-0.png"]
    assert (MISSING, 1) in [(notice.what, notice.count) for notice in data.notices]


def test_notices_come_part_by_part(tmp_path: Path) -> None:
    write(tmp_path, "train", 2, width=0)
    write(tmp_path, "validation", 1)
    write(tmp_path, "test", 3, width=0)
    dropped = [notice for notice in load_coco_splits(tmp_path).notices if notice.what == NO_AREA]
    assert [(notice.count, notice.example) for notice in dropped] == [
        (2, "annotation 0 in train-0.png"),
        (3, "annotation 0 in test-0.png"),
    ]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    for part in ("train", "test"):
        write(tmp_path, part)
    (tmp_path / "annotations" / "instances_test.json").write_text("{")
    with pytest.raises(CocoError, match=r"instances_test\.json is not JSON"):
        load_coco_splits(tmp_path)


def test_pictures_of_two_parts_may_bear_one_name(tmp_path: Path) -> None:
    """COCO names them by number, in a folder a part: neither are they one picture, nor one twice when joined."""
    one, other = (Scenes((Scene(FileSample(tmp_path / part, "0.png"), 8, 8),), ("ant",)) for part in ("train", "test"))
    assert Splits(one, Scenes((), ("ant",)), other).test == other
    assert len(one + other) == 2
    with pytest.raises(DataError, match="more than once"):
        _ = one + one
    with pytest.raises(DataError, match=r"image 0.png is in train and in test"):
        Splits(one, Scenes((), ("ant",)), one)
