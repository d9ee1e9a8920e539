import json
from collections import Counter
from itertools import combinations
from random import Random

import numpy as np
import pytest
from PIL import Image

from expunge.errors import CorruptWeightsError, DataError, MissingExtraError, OutputError
from expunge.zoo.scenes import CLASSES, SPLITS, cutouts, scene, scenes, write_coco
from expunge.zoo.scenes.backdrop import backdrop, view
from expunge.zoo.scenes.compose import LEAST_VISIBLE, MOST_OBJECTS, SIDE
from expunge.zoo.scenes.cutouts import VARIABLE, folder, places

pytestmark = pytest.mark.usefixtures("photos")


@pytest.fixture(scope="module")
def made():
    return list(scenes(7, "test", 25))


class TestCutOuts:
    def test_every_class_has_some_in_every_split(self) -> None:
        assert len(CLASSES) == len(set(CLASSES)) == 22
        counts = {split: Counter(one.label for one in cutouts(split)) for split in SPLITS}
        assert all(set(count) == set(range(22)) for count in counts.values())
        assert sum(count.total() for count in counts.values()) == 152

    def test_no_photo_is_in_two_splits(self) -> None:
        for one, other in combinations(SPLITS, 2):
            assert not {c.file for c in cutouts(one)} & {c.file for c in cutouts(other)}

    def test_no_two_photos_of_different_splits_are_nearly_the_same(self) -> None:
        def small(cutout):
            grey = Image.new("RGB", (64, 64), (128, 128, 128))
            picture = cutout.load().resize((64, 64))
            grey.paste(picture, (0, 0), picture)
            flat = np.asarray(grey.convert("L"), np.float64).ravel()
            return (flat - flat.mean()) / np.linalg.norm(flat - flat.mean())

        drawn = {split: np.stack([small(c) for c in cutouts(split)]) for split in SPLITS}
        for one, other in combinations(SPLITS, 2):
            assert (drawn[one] @ drawn[other].T).max() < 0.97

    def test_each_tells_its_licence_and_fits_its_place_in_the_sheet(self) -> None:
        for split in SPLITS:
            for one in cutouts(split):
                assert one.credit
                assert one.licence
                alpha = np.asarray(one.load().getchannel("A")) > 8
                assert max(one.size) <= 128
                assert alpha[[0, -1]].any() and alpha[:, [0, -1]].any()  # noqa: PT018
        assert (folder() / "GPL-2.txt").read_text().lstrip().startswith("GNU GENERAL PUBLIC LICENSE")

    def test_unknown_split(self) -> None:
        with pytest.raises(DataError, match="no split 'dev'; there is: train, validation, test"):
            cutouts("dev")

    def test_without_the_pictures_it_says_where_they_are(self, monkeypatch, tmp_path) -> None:
        monkeypatch.setenv(VARIABLE, str(tmp_path))
        with pytest.raises(MissingExtraError, match=r"no cutouts\.webp.*EXPUNGE_SCENES"):
            cutouts("train")

    @pytest.mark.parametrize("index", ["", "{}", '{"side": 1, "columns": 1, "cutouts": [{"class": "dodo"}]}'])
    def test_a_damaged_index_is_named(self, monkeypatch, tmp_path, index) -> None:
        for name in ("cutouts.webp", "cutouts.json", "places.webp", "places.json"):
            (tmp_path / name).write_text(index)
        monkeypatch.setenv(VARIABLE, str(tmp_path))
        with pytest.raises(CorruptWeightsError, match=r"cutouts\.json is damaged"):
            cutouts("train")
        with pytest.raises(CorruptWeightsError, match=r"places\.json is damaged"):
            places("train")


class TestBackdrop:
    def test_straight_ahead_is_the_middle_of_the_panorama(self) -> None:
        columns = np.tile(np.arange(256, dtype=np.uint8), (128, 1))
        panorama = Image.fromarray(np.stack([columns, columns * 0, columns * 0], -1))
        seen = np.asarray(view(panorama, 0.0, 0.0, 90.0, 64))[..., 0]
        # From -45 to 45 degrees of longitude: a quarter of the columns around the middle, equal at equal columns.
        assert seen[32, 0] == pytest.approx(256 * 3 / 8, abs=1)
        assert seen[32, -1] == pytest.approx(256 * 5 / 8, abs=1)
        assert (np.diff(seen[32].astype(int)) >= 0).all()
        turned = np.asarray(view(panorama, 90.0, 0.0, 90.0, 64))[..., 0]
        assert turned[32, 32] == pytest.approx(256 * 3 / 4, abs=1)

    def test_looking_down_sees_the_lower_rows(self) -> None:
        rows = np.tile(np.arange(128, dtype=np.uint8)[:, None], (1, 256))
        seen = np.asarray(view(Image.fromarray(np.stack([rows] * 3, -1)), 0.0, -30.0, 60.0, 65))[..., 0]
        assert seen[32, 32] == pytest.approx(128 * (0.5 + 30 / 180), abs=1)
        assert seen[0, 32] == pytest.approx(128 * 0.5, abs=2)  # half the field of view up from -30 degrees

    def test_splits_share_no_place(self) -> None:
        seen = [p.tobytes() for split in SPLITS for p in places(split)]
        assert len(seen) == len(set(seen)) == 17
        assert backdrop(Random(0), "test", 32).size == (32, 32)


class TestScenes:
    def test_the_same_seed_makes_the_same_and_another_another(self, made) -> None:
        again = scene(7, "test", 3)
        assert again.image.tobytes() == made[3].image.tobytes()
        assert (again.boxes, again.labels, again.files) == (made[3].boxes, made[3].labels, made[3].files)
        assert len({s.image.tobytes() for s in [*made, scene(8, "test", 3), scene(7, "train", 3)]}) == 27

    def test_boxes_lie_inside_and_hold_what_is_seen(self, made) -> None:
        for one in made:
            assert one.image.size == (SIDE, SIDE)
            assert one.image.mode == "RGB"
            assert 1 <= len(one.boxes) <= MOST_OBJECTS
            for (left, upper, right, lower), area in zip(one.boxes, one.areas, strict=True):
                assert 0 <= left < right <= SIDE
                assert 0 <= upper < lower <= SIDE
                assert 0 < area <= (right - left) * (lower - upper)

    def test_no_object_is_hidden_beyond_the_limit_but_some_are_in_part(self, made) -> None:
        shares = [share for one in made for share in one.visible]
        assert min(shares) >= LEAST_VISIBLE
        assert max(shares) == 1.0
        assert any(share < 0.8 for share in shares)

    def test_numbers_and_sizes_vary(self, made) -> None:
        assert len({len(one.boxes) for one in made}) >= 5
        longest = [max(b[2] - b[0], b[3] - b[1]) for one in made for b in one.boxes]
        assert min(longest) < 50 < 100 < max(longest)

    def test_only_the_splits_own_cutouts_occur_and_carry_their_labels(self, made) -> None:
        labels = {one.file: one.label for one in cutouts("test")}
        for one in made:
            assert [labels[file] for file in one.files] == list(one.labels)

    def test_objects_change_the_picture_inside_their_boxes_and_little_elsewhere(self) -> None:
        one = scene(7, "test", 0)
        empty = np.asarray(backdrop(Random("7/test/0"), "test", SIDE), np.int64)
        changed = np.abs(np.asarray(one.image, np.int64) - empty).max(-1)
        outside = np.ones((SIDE, SIDE), bool)
        for left, upper, right, lower in one.boxes:
            box = np.s_[int(upper) : int(lower), int(left) : int(right)]
            assert changed[box].mean() > 10
            outside[max(0, int(upper) - 14) : int(lower) + 18, max(0, int(left) - 14) : int(right) + 17] = False
        assert changed[outside].max() <= 2  # shadows end a few pixels beyond an object

    def test_refuses(self) -> None:
        with pytest.raises(DataError, match="got -1"):
            scenes(0, "train", -1)
        with pytest.raises(DataError, match="no split"):
            scene(0, "dev", 0)


class TestCoco:
    def test_file_and_scenes_agree(self, tmp_path) -> None:
        file = write_coco(tmp_path, seed=7, split="validation", n=4)
        assert file == tmp_path / "annotations" / "instances_validation.json"
        content = json.loads(file.read_text())
        assert [c["name"] for c in content["categories"]] == list(CLASSES)
        assert [c["id"] for c in content["categories"]] == list(range(1, 23))
        ids = [a["id"] for a in content["annotations"]]
        assert ids == list(range(1, len(ids) + 1))
        for image, one in zip(content["images"], scenes(7, "validation", 4), strict=True):
            mine = [a for a in content["annotations"] if a["image_id"] == image["id"]]
            assert [a["category_id"] - 1 for a in mine] == list(one.labels)
            assert [a["area"] for a in mine] == list(one.areas)
            assert {a["iscrowd"] for a in mine} == {0}
            for a, (left, upper, right, lower) in zip(mine, one.boxes, strict=True):
                assert a["bbox"] == [left, upper, right - left, lower - upper]
            with Image.open(tmp_path / "validation" / image["file_name"]) as stored:
                assert stored.tobytes() == one.image.tobytes()
                assert stored.size == (image["width"], image["height"])

    def test_nothing_is_written_over(self, tmp_path) -> None:
        write_coco(tmp_path, seed=0, split="train", n=1)
        with pytest.raises(OutputError, match=r"instances_train\.json exists already"):
            write_coco(tmp_path, seed=0, split="train", n=1)

    def test_no_folders_for_a_split_that_is_not(self, tmp_path) -> None:
        with pytest.raises(DataError, match="no split"):
            write_coco(tmp_path / "new", seed=0, split="dev", n=1)
