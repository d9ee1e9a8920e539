"""COCO data sets, whole and broken."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from expunge.data import Scenes, few_shot_scenes, limited_scenes, load_coco, replay_scenes
from expunge.data.coco import CUT, MISSING, NO_AREA, NO_BOX, NO_CLASS
from expunge.errors import (
    BoxError,
    CocoError,
    DataError,
    DataLayoutError,
    DuplicateClassError,
    DuplicateIdError,
    EmptyClassError,
    MissingImagesError,
    SceneError,
    TooFewImagesError,
    UnknownCategoryError,
    UnknownImageError,
)

Load = Callable[..., Scenes]


def annotation(number: int, image: int, category: int, box: list[Any], **more: Any) -> dict[str, Any]:
    return {"id": number, "image_id": image, "category_id": category, "bbox": box, **more}


def whole() -> dict[str, Any]:
    """Three images: a dog and a cat, a cat and a group of dogs, and nothing."""
    return {
        "images": [
            {"id": 7, "file_name": "a.png", "width": 40, "height": 30},
            {"id": 3, "file_name": "sub/b.png", "width": 20, "height": 20},
            {"id": 5, "file_name": "c.png", "width": 10, "height": 10},
        ],
        "categories": [{"id": 9, "name": "dog"}, {"id": 2, "name": "cat"}, {"id": 11, "name": "eel"}],
        "annotations": [
            annotation(1, 7, 9, [5, 6, 10, 12], iscrowd=0),
            annotation(2, 3, 2, [0, 0, 20, 10.5]),
            annotation(3, 7, 2, [1, 2, 3, 4]),
            annotation(4, 3, 9, [2, 2, 10, 10], iscrowd=1),
        ],
    }


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Writes the images and an annotation file, changed as asked, and reads them."""
    root = tmp_path / "images"
    (root / "sub").mkdir(parents=True)
    for image in whole()["images"]:
        Image.new("RGB", (image["width"], image["height"]), (9, 8, 7)).save(root / image["file_name"])

    def read(change: Callable[[dict[str, Any]], object] = lambda values: None, **settings: Any) -> Scenes:
        values = whole()
        change(values)
        (tmp_path / "boxes.json").write_text(json.dumps(values))
        return load_coco(root, tmp_path / "boxes.json", **settings)

    return read


def notices(scenes: Scenes) -> dict[str, tuple[int, str]]:
    return {notice.what: (notice.count, notice.example) for notice in scenes.notices}


def test_a_whole_data_set(load: Load) -> None:
    scenes = load()
    assert scenes.classes == ("cat", "dog", "eel")  # in the order of the ids 2, 9, 11
    assert [scene.sample.name for scene in scenes.scenes] == ["a.png", "sub/b.png", "c.png"]
    first, second, third = scenes.scenes
    assert [(box.corners, box.label) for box in first.boxes] == [((5, 6, 15, 18), 1), ((1, 2, 4, 6), 0)]
    assert [(box.corners, box.label, box.crowd) for box in second.boxes] == [((0, 0, 20, 10.5), 0, False)]
    assert [(box.corners, box.label, box.crowd) for box in second.crowds] == [((2, 2, 12, 12), 1, True)]
    assert (third.boxes, third.crowds) == ((), ())
    assert scenes.counts() == (2, 1, 0)
    assert scenes.image_counts() == (2, 1, 0)
    assert first.load().size == (40, 30)
    assert notices(scenes) == {NO_BOX: (1, "c.png"), NO_CLASS: (1, "eel")}


def test_labels_follow_the_classes_of_a_model(load: Load) -> None:
    scenes = load(classes=("eel", "dog", "N/A", "cat"))
    assert [box.label for box in scenes.scenes[0].boxes] == [1, 3]
    with pytest.raises(UnknownCategoryError, match="no class: eel; expected a subset of cat, dog"):
        load(classes=("cat", "dog"))


def test_views(load: Load) -> None:
    scenes = load()
    assert [len(scene.boxes) for scene in scenes.only({1}).scenes] == [1]
    assert [len(scene.boxes) for scene in scenes.holding({1}).scenes] == [2]
    rest = scenes.without({0})
    assert [len(scene.boxes) for scene in rest.scenes] == [1, 0, 0]  # every image stays
    assert [len(scene.crowds) for scene in rest.scenes] == [0, 1, 0]
    assert [len(scene.crowds) for scene in scenes.without({1}).scenes] == [0, 0, 0]
    assert rest.classes == scenes.classes
    assert [scene.sample.name for scene in scenes.select([2, 0]).scenes] == ["c.png", "a.png"]
    assert len(scenes.samples) == len(scenes) == 3


def test_a_forget_class_without_boxes_is_refused(load: Load) -> None:
    scenes = load()
    for view in (scenes.only, scenes.holding):
        with pytest.raises(EmptyClassError, match=r"no box of class 'eel' in these 3 images.*crowd do not count"):
            view({0, 2})
    with pytest.raises(DataError, match="class index 3 names no class"):
        scenes.without({3})
    with pytest.raises(DataError, match="index 3 is outside 0 to 2"):
        scenes.select([3])


# --- Shots ---------------------------------------------------------------------------------------


def many(values: dict[str, Any]) -> None:
    """Twelve images; the first eight hold a cat, every other one a dog."""
    values["images"] = [{"id": i, "file_name": f"{i}.png", "width": 9, "height": 9} for i in range(12)]
    values["annotations"] = [annotation(i, i, 2, [0, 0, 5, 5]) for i in range(8)]
    values["annotations"] += [annotation(20 + i, i, 9, [1, 1, 3, 3]) for i in range(0, 12, 2)]


@pytest.fixture
def twelve(load: Load, tmp_path: Path) -> Scenes:
    for i in range(12):
        Image.new("RGB", (9, 9)).save(tmp_path / "images" / f"{i}.png")
    return load(many)


def drawn(scenes: Scenes) -> set[str]:
    return {scene.sample.name for scene in scenes.scenes}


def test_shots_are_images_and_fewer_are_a_subset_of_more(twelve: Scenes) -> None:
    assert twelve.image_counts() == (8, 6, 0)
    sets = [few_shot_scenes(twelve, shots, seed=3) for shots in (1, 2, 4)]
    for shots, scenes in zip((1, 2, 4), sets, strict=True):
        counts = scenes.image_counts()
        assert all(count >= shots for count in counts[:2])
        assert len(scenes) <= 2 * shots
        assert drawn(scenes) <= drawn(few_shot_scenes(twelve, 5, seed=3))
    assert drawn(sets[0]) <= drawn(sets[1]) <= drawn(sets[2])
    assert few_shot_scenes(twelve, 2, seed=3) == sets[1]
    assert len({frozenset(drawn(few_shot_scenes(twelve, 2, seed))) for seed in range(6)}) > 1
    both = next(scene for scene in sets[2].scenes if len(scene.boxes) == 2)
    assert {box.label for box in both.boxes} == {0, 1}  # no object loses its box
    with pytest.raises(TooFewImagesError, match="class 'dog' is in 6 images, 7 shots"):
        few_shot_scenes(twelve, 7, seed=0)
    with pytest.raises(DataError, match="at least 1"):
        few_shot_scenes(twelve, 0, seed=0)


def test_so_many_scenes_of_a_class_are_shots_and_what_is_scarce_stays_whole(twelve: Scenes) -> None:
    empty = [i for i, scene in enumerate(twelve.scenes) if not scene.boxes]
    some = limited_scenes(twelve, 3, seed=3)
    assert drawn(some.select(i for i, scene in enumerate(some.scenes) if scene.boxes)) == drawn(
        few_shot_scenes(twelve, 3, seed=3)
    )
    assert sum(not scene.boxes for scene in some.scenes) == len(empty)
    assert limited_scenes(twelve, 7, seed=3).image_counts()[1] == 6, "there are no seven dogs"
    assert limited_scenes(twelve, 0, seed=3) == limited_scenes(twelve, 12, seed=3) == twelve


def test_replay_takes_a_share_of_every_class(twelve: Scenes) -> None:
    half = replay_scenes(twelve, 0.5, seed=1)
    assert all(count >= share for count, share in zip(half.image_counts(), (4, 3, 0), strict=True))
    assert drawn(replay_scenes(twelve, 0.1, seed=1)) <= drawn(half)
    assert replay_scenes(twelve, 0.01, seed=1).image_counts()[0] >= 1
    assert drawn(replay_scenes(twelve, 1.0, seed=1)) == {f"{i}.png" for i in (*range(8), 8, 10)}
    with pytest.raises(DataError, match="not above 0"):
        replay_scenes(twelve, 0.0, seed=1)


# --- Mended and counted --------------------------------------------------------------------------


def test_boxes_without_area_are_dropped_and_counted(load: Load) -> None:
    def change(values: dict[str, Any]) -> None:
        values["annotations"] += [
            annotation(5, 5, 2, [1, 1, 0, 4]),
            annotation(6, 5, 2, [4, 4, -2, 3]),
            annotation(7, 5, 2, [30, 30, 5, 5]),  # outside its image
        ]

    scenes = load(change)
    assert scenes.scenes[2].boxes == ()
    assert notices(scenes)[NO_AREA] == (3, "annotation 5 in c.png")


def test_boxes_that_leave_their_image_are_cut_and_counted(load: Load) -> None:
    def change(values: dict[str, Any]) -> None:
        values["annotations"] += [annotation(5, 5, 2, [-2, 3, 20, 3]), annotation(6, 5, 2, [2, 2, 8.2, 3])]

    scenes = load(change)
    assert [box.corners for box in scenes.scenes[2].boxes] == [(0, 3, 10, 6), (2, 2, 10, 5)]
    assert notices(scenes)[CUT] == (1, "annotation 5 in c.png")  # 0.2 pixels are a matter of rounding


def test_missing_images(load: Load, tmp_path: Path) -> None:
    (tmp_path / "images" / "a.png").unlink()
    with pytest.raises(MissingImagesError, match=r"1 of 3 images .*a\.png; name the folder"):
        load()
    with pytest.raises(FileNotFoundError):
        load()
    scenes = load(skip_missing=True)
    assert [scene.sample.name for scene in scenes.scenes] == ["sub/b.png", "c.png"]
    assert notices(scenes)[MISSING] == (1, "a.png")
    assert notices(scenes)[NO_CLASS] == (2, "dog")  # of which only a group is left
    with pytest.raises(MissingImagesError, match="3 of 3 images"):  # a wrong folder is no data set
        load_coco(tmp_path, tmp_path / "boxes.json", skip_missing=True)


# --- Errors --------------------------------------------------------------------------------------


def put(kind: str, position: int, **changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda values: values[kind][position].update(changes)


ERRORS: tuple[tuple[Callable[[dict[str, Any]], object], type[Exception], str], ...] = (
    (put("annotations", 0, category_id=1), UnknownCategoryError, "annotation 1 is of category 1, .*one of 2, 9, 11"),
    (put("annotations", 0, image_id=1), UnknownImageError, "annotation 1 is in image 1, which the file does not list"),
    (put("annotations", 1, id=1), DuplicateIdError, "two annotations have the id 1"),
    (put("images", 1, id=7), DuplicateIdError, "two images have the id 7"),
    (put("images", 1, file_name="a.png"), DuplicateIdError, r"two images have the file name 'a\.png'"),
    (put("categories", 1, id=9), DuplicateIdError, "two categories have the id 9"),
    (put("categories", 1, name="dog"), DuplicateClassError, "both named 'dog'"),
    (put("categories", 1, name=""), CocoError, "category 2 has the name ''"),
    (put("annotations", 0, bbox=[1, 2, 3]), BoxError, r"annotation 1 has the box \[1, 2, 3\]: expected four"),
    (put("annotations", 0, bbox=[1, 2, 3, float("nan")]), BoxError, "expected four finite numbers"),
    (put("annotations", 0, bbox=[1, 2, 3, "4"]), BoxError, "expected four finite numbers"),
    (put("annotations", 0, bbox=[10**400, 2, 3, 4]), BoxError, "expected four finite numbers"),
    (put("annotations", 0, bbox=None), BoxError, "has the box None"),
    (put("annotations", 0, iscrowd=2), CocoError, "iscrowd 2: expected 0 or 1"),
    (put("annotations", 0, image_id="7"), CocoError, "image_id '7': expected an integer"),
    (put("images", 0, width=0), CocoError, "image 7 is 0 x 30 pixels"),
    (put("images", 0, width=10**400), CocoError, "expected 1 to 1,000,000 of each"),
    (put("images", 0, height=None), CocoError, "height None: expected an integer"),
    (put("images", 0, file_name=None), CocoError, "image 7 has the file name None"),
    (put("images", 0, file_name="a\0.png"), CocoError, "expected a path below"),
    (put("images", 0, file_name="a" * 5_000), MissingImagesError, "1 of 3 images"),
    (put("images", 0, file_name="../out.png"), DataLayoutError, "leads out of"),
    (lambda values: values.pop("categories"), CocoError, "under 'categories'; the file holds annotations, images"),
    (lambda values: values.update(images=[]), CocoError, "the list of images is empty"),
    (lambda values: values.update(annotations=[1]), CocoError, "a list of objects under 'annotations'"),
)


@pytest.mark.parametrize(("change", "error", "message"), ERRORS, ids=[str(number) for number in range(len(ERRORS))])
def test_what_cannot_be_meant_is_refused(
    load: Load, change: Callable[[dict[str, Any]], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        load(change)
    assert isinstance(caught.value, DataError)


@pytest.mark.parametrize("text", ["{", "[]", "\udc80"], ids=["cut", "list", "bytes"])
def test_files_that_are_no_annotations(load: Load, tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(CocoError, match=r"is not JSON|holds a list"):
        load_coco(tmp_path, path)
    with pytest.raises(CocoError, match="cannot read the annotations"):
        load_coco(tmp_path, tmp_path / "absent.json")


def test_no_annotations_at_all_are_allowed(load: Load) -> None:
    scenes = load(lambda values: values.update(annotations=[]))
    assert scenes.counts() == (0, 0, 0)
    assert notices(scenes)[NO_BOX][0] == 3


def test_an_image_of_another_size_is_refused_when_it_is_read(load: Load, tmp_path: Path) -> None:
    scenes = load()
    Image.new("RGB", (30, 40)).save(tmp_path / "images" / "a.png")
    with pytest.raises(SceneError, match="30 x 40 pixels upright, its boxes were drawn on 40 x 30"):
        scenes.scenes[0].load()


def test_a_scene_twice_or_a_label_without_class_is_refused(load: Load) -> None:
    scenes = load()
    with pytest.raises(DataError, match=r"image a\.png is there more than once"):
        scenes.select([0, 0])
    with pytest.raises(DataError, match="label 1 names no class"):
        Scenes(scenes.scenes, ("cat",))
    with pytest.raises(DuplicateClassError, match="'cat' is named more than once"):
        Scenes((), ("cat", "cat"))
