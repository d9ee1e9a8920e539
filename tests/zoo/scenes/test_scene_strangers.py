"""Scenes of strangers: people whom no detector of the zoo has seen, composed as all scenes are."""

import pytest
from PIL import Image

from expunge.errors import DataError, ModelNotFoundError
from expunge.runs.loading import read
from expunge.zoo import data_entry, model_entry
from expunge.zoo.orl import PEOPLE
from expunge.zoo.scenes import CLASSES, SPLITS, cutouts, scene
from expunge.zoo.scenes.cutouts import STRANGERS
from expunge.zoo.scenes.data import SIZES, STRANGER_SIZES, scene_splits, scene_strangers
from expunge.zoo.scenes.model import RECIPE

FEW = (2, 1, 1)


def test_strangers_are_all_others_of_orl() -> None:
    assert len(STRANGERS) == 16
    assert not set(STRANGERS) & set(CLASSES)
    assert set(STRANGERS) | set(CLASSES) == set(PEOPLE)


@pytest.mark.parametrize("split", SPLITS)
def test_strangers_have_as_many_photos_in_a_split_as_others(split: str) -> None:
    ours, theirs = cutouts(split), cutouts(split, STRANGERS)
    assert len(theirs) / len(STRANGERS) == len(ours) / len(CLASSES)
    for one in theirs:
        person, photo = one.file.split("/")
        assert f"s{int(person[1:]):02d}" == STRANGERS[one.label]
        assert photo in {other.file.split("/")[1] for other in ours}
    assert not {one.file for one in ours} & {one.file for one in theirs}
    assert theirs[0].load().tobytes() != ours[0].load().tobytes()


def test_no_scene_that_a_detector_learnt_from_holds_one() -> None:
    """What is in a scene is drawn from its people's cut-outs alone, as a few of the training scenes show."""
    known = {one.file for split in SPLITS for one in cutouts(split)}
    assert {file.split("/")[0] for file in known} == {f"s{int(name[1:])}" for name in CLASSES}
    for index in range(0, RECIPE.scenes, 256):
        assert set(scene(RECIPE.scenes_seed, "train", index).files) <= known


def test_scenes_of_strangers_have_classes_of_their_own_and_no_name_of_other_scenes() -> None:
    ours, theirs = scene_splits(FEW), scene_strangers(FEW)
    assert theirs.classes == STRANGERS
    assert [len(part) for part in (theirs.train, theirs.validation, theirs.test)] == list(FEW)
    names = [[one.sample.name for one in (*data.train.scenes, *data.test.scenes)] for data in (ours, theirs)]
    assert names[1][0] == "s25-s40/0/train/0"
    assert not set(names[0]) & set(names[1])
    boxes = [[box.corners for box in data.train.scenes[0].boxes] for data in (ours, theirs)]
    assert boxes[0] != boxes[1]  # no place is shared, though seed, split and index are
    other = scene_strangers(FEW, seed=1)
    assert [box.corners for box in other.train.scenes[0].boxes] != boxes[1]


def test_labels_say_who_is_there() -> None:
    made = scene(0, "train", 1, STRANGERS)
    who = [f"s{int(file.split('/')[0][1:]):02d}" for file in made.files]
    assert who == [STRANGERS[label] for label in made.labels]
    again = scene_strangers(FEW).train.scenes[1].load()
    assert isinstance(again, Image.Image)
    assert again.tobytes() == made.image.tobytes()


def test_as_many_scenes_a_person() -> None:
    for n, of_strangers in zip(SIZES, STRANGER_SIZES, strict=True):
        assert of_strangers / len(STRANGERS) == pytest.approx(n / len(CLASSES), abs=1 / 8)


def test_the_zoo_has_them_as_data_but_no_model() -> None:
    strangers = data_entry("zoo:scenes-strangers", "detection")
    assert strangers is data_entry("scenes-strangers") is not data_entry("zoo:scenes")
    with pytest.raises(ModelNotFoundError, match="there is no model to them"):
        model_entry("zoo:scenes-strangers")
    with pytest.raises(ModelNotFoundError, match="zoo:glyphs is for classification"):
        data_entry("zoo:glyphs", "detection")


@pytest.mark.slow
def test_they_are_loaded_by_name() -> None:
    found = read("zoo:scenes-strangers", seed=3)
    assert [len(part) for part in (found.train, found.validation, found.test)] == list(STRANGER_SIZES)
    assert found.train.scenes[0].sample.name == "s25-s40/3/train/0"


def test_few_people_fill_no_more_than_themselves() -> None:
    assert all(len(scene(0, "train", index, ("s01", "s02")).labels) <= 2 for index in range(3))


def test_nobody_unknown() -> None:
    with pytest.raises(DataError, match="expected people of ORL, s01 to s40; got 's41'"):
        scene(0, "train", 0, ("s41",))
