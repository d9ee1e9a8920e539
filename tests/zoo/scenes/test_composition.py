"""The laws that every composed scene keeps."""

from random import Random

import numpy as np
import pytest

from expunge.errors import DataError
from expunge.zoo.scenes import ComposedScene, compose, cutouts, scene, scenes
from expunge.zoo.scenes._backdrop import backdrop
from expunge.zoo.scenes.compose import LEAST_VISIBLE, LONGEST, MOST_OBJECTS, SIDE, TURN

Scenes = tuple[ComposedScene, ...]


def test_the_same_seed_makes_the_same_and_another_another(made: Scenes) -> None:
    assert scene(7, "test", 3) == made[3]  # pixels and all
    others = (scene(8, "test", 3), scene(7, "train", 3), scene(7, "validation", 3))
    assert len({one.image.tobytes() for one in (*made, *others)}) == len(made) + 3


def test_one_to_eight_objects_and_nobody_twice(made: Scenes) -> None:
    counts = {len(one.labels) for one in made}
    assert min(counts) >= 1
    assert max(counts) <= MOST_OBJECTS == 8
    assert len(counts) >= 5
    assert all(len(set(one.labels)) == len(one.labels) for one in made)
    assert len({label for one in made for label in one.labels}) >= 20


def test_boxes_lie_inside_and_hold_what_is_seen(made: Scenes) -> None:
    for one in made:
        assert (one.image.size, one.image.mode) == ((SIDE, SIDE), "RGB")
        for (left, upper, right, lower), area in zip(one.boxes, one.areas, strict=True):
            assert 0 <= left < right <= SIDE
            assert 0 <= upper < lower <= SIDE
            assert 0 < area <= (right - left) * (lower - upper)


def test_boxes_are_the_smallest_around_what_is_visible() -> None:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[[10, 40], [50, 20]] = True  # rows 10 and 40, columns 50 and 20
    assert compose._box(mask) == (20.0, 10.0, 51.0, 41.0)


def test_what_nearer_objects_hide_is_outside_of_boxes_and_areas() -> None:
    far, near = placed((0, 0), 20, bottom=100), placed((10, 0), 20, bottom=120)
    labelled = compose._labelled("by hand", backdrop(Random(0), SIDE), [far, near])
    assert labelled.boxes == ((0.0, 0.0, 10.0, 20.0), (10.0, 0.0, 30.0, 20.0))
    assert labelled.areas == (200, 400)
    assert labelled.visible == (0.5, 1.0)


def test_objects_are_seen_to_two_fifths_at_least_and_some_are_hidden_in_part(made: Scenes) -> None:
    shares = [share for one in made for share in one.visible]
    assert min(shares) >= LEAST_VISIBLE == 0.4
    assert max(shares) == 1.0
    assert any(share < 0.8 for share in shares)


def test_sizes_vary_within_their_range(made: Scenes) -> None:
    unhidden = [
        max(right - left, lower - upper)
        for one in made
        for (left, upper, right, lower), share in zip(one.boxes, one.visible, strict=True)
        if share == 1.0
    ]
    assert (LONGEST, TURN) == ((48.0, 124.0), 10.0)
    # A whole oval fades over its edge, and is a little shorter when turned.
    assert min(unhidden) >= 0.9 * LONGEST[0]
    assert max(unhidden) <= LONGEST[1] + 1
    assert min(unhidden) < 60 < 100 < max(unhidden)


def test_only_the_splits_own_photos_occur_and_carry_their_labels(made: Scenes) -> None:
    labels = {one.file: one.label for one in cutouts("test")}
    for one in made:
        assert [labels[file] for file in one.files] == list(one.labels)


def test_objects_change_the_picture_inside_their_boxes_and_little_elsewhere(made: Scenes) -> None:
    for index in range(3):
        empty = np.asarray(backdrop(Random(f"7/test/{index}"), SIDE), np.int64)
        changed = np.abs(np.asarray(made[index].image, np.int64) - empty).max(-1)
        outside = np.ones((SIDE, SIDE), bool)
        for left, upper, right, lower in made[index].boxes:
            assert changed[int(upper) : int(lower), int(left) : int(right)].mean() > 10
            outside[max(0, int(upper) - 14) : int(lower) + 18, max(0, int(left) - 14) : int(right) + 17] = False
        assert changed[outside].max() <= 2  # shadows end a few pixels beyond an object


def test_textures_differ_and_follow_from_the_seed() -> None:
    drawn = [np.asarray(backdrop(Random(seed), 64), np.float64) for seed in range(6)]
    assert np.array_equal(drawn[0], np.asarray(backdrop(Random(0), 64)))
    for i, one in enumerate(drawn):
        assert one.shape == (64, 64, 3)
        assert one.std(axis=(0, 1)).max() > 5  # no plain colour
        assert all(np.abs(one - other).mean() > 5 for other in drawn[:i])


def test_refuses() -> None:
    with pytest.raises(DataError, match="expected a number of scenes, 0 or more; got -1"):
        scenes(0, "train", -1)
    with pytest.raises(DataError, match="no split 'dev'"):
        scenes(0, "dev", 1)
    with pytest.raises(DataError, match="no split 'dev'"):
        scene(0, "dev", 0)


def placed(corner: tuple[int, int], side: int, bottom: int) -> compose.Placed:
    """A square."""
    mask = np.zeros((SIDE, SIDE), bool)
    mask[corner[1] : corner[1] + side, corner[0] : corner[0] + side] = True
    layer = backdrop(Random(1), SIDE).convert("RGBA")
    return compose.Placed(cutouts("test")[0], layer, mask, side * side, bottom)
