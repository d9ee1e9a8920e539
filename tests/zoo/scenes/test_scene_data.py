"""Composed scenes as data sets: made in memory, and written in COCO's format and read again."""

import json
from pathlib import Path

import pytest
from PIL import Image

from expunge.data import Scenes, load_coco, load_coco_splits
from expunge.errors import DataError, OutputError
from expunge.zoo.scenes import CLASSES, SPLITS, scene, scenes, write_coco
from expunge.zoo.scenes.data import scene_splits

SIZES = (3, 1, 2)


def boxes(of: Scenes) -> list[list[tuple[tuple[float, ...], int]]]:
    return [[(box.corners, box.label) for box in one.boxes] for one in of.scenes]


def test_splits_are_the_first_scenes_of_each() -> None:
    data = scene_splits(SIZES, seed=4)
    assert data.classes == CLASSES
    for name, part, n in zip(SPLITS, (data.train, data.validation, data.test), SIZES, strict=True):
        assert len(part) == n
        expected = [list(zip(one.boxes, one.labels, strict=True)) for one in scenes(4, name, n)]
        assert boxes(part) == expected
        assert not any(one.crowds for one in part.scenes)
        loaded = part.scenes[n - 1].load()
        assert isinstance(loaded, Image.Image)
        assert loaded.tobytes() == scene(4, name, n - 1).image.tobytes()


def test_names_are_the_recipe_of_a_scene_and_none_is_in_two_splits() -> None:
    data = scene_splits(SIZES, seed=4)
    names = [one.sample.name for part in (data.train, data.validation, data.test) for one in part.scenes]
    assert names == ["4/train/0", "4/train/1", "4/train/2", "4/validation/0", "4/test/0", "4/test/1"]


def test_more_scenes_begin_with_fewer() -> None:
    assert boxes(scene_splits((3, 0, 0)).train)[:2] == boxes(scene_splits((2, 0, 0)).train)
    assert len(scene_splits((1, 0, 1)).validation) == 0


def test_sizes_are_three() -> None:
    with pytest.raises(ValueError, match="shorter"):
        scene_splits((3, 1))


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    for name, n in zip(SPLITS, SIZES, strict=True):
        assert write_coco(tmp_path, seed=4, split=name, n=n) == tmp_path / "annotations" / f"instances_{name}.json"
    read, expected = load_coco_splits(tmp_path), scene_splits(SIZES, seed=4)
    for part, original in (
        (read.train, expected.train),
        (read.validation, expected.validation),
        (read.test, expected.test),
    ):
        assert part.classes == CLASSES
        assert boxes(part) == boxes(original)
        for one, other in zip(part.scenes, original.scenes, strict=True):
            mine, theirs = one.load(), other.load()
            assert isinstance(mine, Image.Image)
            assert isinstance(theirs, Image.Image)
            assert mine.tobytes() == theirs.tobytes()
    assert {notice.what for notice in read.notices} <= {"classes without any box"}  # there are but a few scenes


def test_a_file_tells_areas_shares_and_photos(tmp_path: Path) -> None:
    content = json.loads(write_coco(tmp_path, seed=7, split="validation", n=3).read_text())
    assert [(c["id"], c["name"]) for c in content["categories"]] == list(enumerate(CLASSES, 1))
    assert [a["id"] for a in content["annotations"]] == list(range(1, len(content["annotations"]) + 1))
    for image, one in zip(content["images"], scenes(7, "validation", 3), strict=True):
        mine = [a for a in content["annotations"] if a["image_id"] == image["id"]]
        assert [a["area"] for a in mine] == list(one.areas)
        assert [a["visible"] for a in mine] == [round(share, 4) for share in one.visible]
        assert [a["cutout"] for a in mine] == list(one.files)
        assert {a["iscrowd"] for a in mine} == {0}


def test_nothing_is_written_over(tmp_path: Path) -> None:
    file = write_coco(tmp_path, seed=0, split="train", n=1)
    before = file.read_bytes()
    with pytest.raises(OutputError, match=r"instances_train\.json exists already"):
        write_coco(tmp_path, seed=1, split="train", n=1)
    assert file.read_bytes() == before


def test_no_folders_for_a_split_that_is_not(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no split"):
        write_coco(tmp_path / "new", seed=0, split="dev", n=1)
    assert not (tmp_path / "new").exists()


def test_an_empty_split_says_so_when_it_is_read(tmp_path: Path) -> None:
    file = write_coco(tmp_path, seed=0, split="train", n=0)
    with pytest.raises(DataError, match="list of images is empty"):
        load_coco(tmp_path / "train", file)
