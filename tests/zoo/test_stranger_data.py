"""Images of classes that the zoo's models have not seen."""

import unicodedata

import numpy as np
import pytest

from expunge.errors import ModelNotFoundError
from expunge.runs.loading import read
from expunge.zoo import data_entry, model_entry
from expunge.zoo.glyphs import strangers as drawing
from expunge.zoo.glyphs.data import (
    CHARACTERS,
    CLASSES,
    STRANGER_SHEET,
    fonts,
    glyph_strangers,
    glyphs,
    sheet,
    stranger_sheet,
    strangers,
)
from expunge.zoo.orl import KNOWN, PEOPLE, STRANGERS, orl_faces

SIGN_OF = {"letter": "A", "number": "0", "sign": "+"}


def names(splits) -> set[str]:
    return {sample.name for part in (splits.train, splits.validation, splits.test) for sample in part.samples}


class TestGlyphStrangers:
    def test_none_is_known_and_each_is_there_once(self) -> None:
        assert not set(strangers()) & set(CLASSES)
        assert len(strangers()) == len(set(strangers())) >= 30
        assert stranger_sheet().shape == (len(fonts()), len(strangers()), 28, 28)
        assert STRANGER_SHEET.stat().st_size < 400_000

    def test_the_mix_of_letters_numbers_and_signs_is_that_of_the_known(self) -> None:
        ours = [drawing.kind(chr(int(name[2:], 16))) for name in strangers()]
        known = [drawing.kind(character) for character in CHARACTERS]
        assert known.count("letter") == 58
        assert known.count("number") == 10
        for name in SIGN_OF:
            assert ours.count(name) / len(ours) == pytest.approx(known.count(name) / len(known), abs=0.02)

    def test_typefaces_are_parted_as_for_the_known(self) -> None:
        ours, theirs = glyph_strangers(), glyphs()
        for mine, yours in ((ours.train, theirs.train), (ours.test, theirs.test)):
            families = {name.split("/")[0] for name in (sample.name for sample in mine.samples)}
            assert families <= {sample.name.split("/")[0] for sample in yours.samples}
        assert not names(ours) & names(theirs)

    def test_every_class_has_enough_and_no_picture_is_blank(self) -> None:
        ours = glyph_strangers()
        assert min(ours.test.counts()) >= 51 / 2
        assert min(a + b for a, b in zip(ours.train.counts(), ours.validation.counts(), strict=True)) >= 109 / 2
        assert all(np.asarray(sample.load()).any() for sample in ours.test.samples)

    def test_a_stranger_is_what_its_column_shows(self) -> None:
        family, name = fonts()[0]["family"], strangers()[2]
        ours = glyph_strangers()
        shown = [s for part in (ours.train, ours.validation) for s in part.samples if s.name == f"{family}/{name}"]
        assert [np.array_equal(np.asarray(s.load()), stranger_sheet()[0, 2]) for s in shown] == [True]

    def test_no_face_draws_a_stranger_as_it_draws_a_known_character(self) -> None:
        for theirs, known in zip(stranger_sheet(), sheet(), strict=True):
            drawn = {picture.tobytes() for picture in theirs if picture.any()}
            assert not drawn & {picture.tobytes() for picture in known}

    def test_no_accent_on_a_letter_and_nothing_like_a_known_character(self) -> None:
        for name in strangers():
            character = chr(int(name[2:], 16))
            assert unicodedata.normalize("NFD", character) == character
        mine, known = stranger_sheet(), sheet()
        for column in range(len(strangers())):
            there = np.flatnonzero(mine[:, column].any(axis=(1, 2)))
            ours, theirs = unit(mine[there, column][:, None]), unit(known[there])
            assert (ours * theirs).sum(axis=2).mean(axis=0).max() <= drawing.LIKE + 0.005  # grey levels were cut since


class TestChoosing:
    """The rule on made-up characters: which are carried, alike, and how many of a kind."""

    def cells(self, count: int) -> np.ndarray:
        """Noise in every face: like nothing."""
        return np.random.default_rng(0).integers(0, 256, (len(fonts()), count, 28, 28), dtype=np.uint8)

    def test_what_few_faces_carry_is_left_out(self) -> None:
        cells = self.cells(3)
        cells[81:, 1] = 0  # in the training faces alone
        assert drawing.choose("ΑΒΓ", cells) == (0, 2)

    def test_the_second_of_two_alike_and_what_is_like_a_known_one_are_left_out(self) -> None:
        cells = self.cells(4)
        cells[:, 1] = cells[:, 0]
        cells[:, 3] = sheet()[:, 40]
        assert drawing.choose("ΑΒΓΔ", cells) == (0, 2)

    def test_signs_keep_to_the_mix(self) -> None:
        letters = "".join(map(chr, range(0x430, 0x430 + 29)))  # half of the 58 letters that are known
        chosen = drawing.choose(letters + "×÷±«»¿¡§¶©®†‡•…‰€™√∞", self.cells(49))
        assert chosen[:29] == tuple(range(29))
        assert len(chosen) == 29 + 16  # and half of the 32 signs

    def test_what_a_face_borrows_from_a_known_character_is_blanked(self) -> None:
        cells = self.cells(2)
        cells[7, 1] = sheet()[7, 40]
        kept = drawing.own(cells)
        assert not kept[7, 1].any()
        kept[7, 1] = cells[7, 1]
        assert np.array_equal(kept, cells)

    def test_accents_and_what_is_known_are_no_candidates(self) -> None:
        found = drawing.candidates()
        assert {"Æ", "þ", "§", "½"} <= set(found)
        assert not {"é", "Å", "ß", "a", "¨", "\u0301"} & set(found)


def unit(cells: np.ndarray) -> np.ndarray:
    flat = cells.reshape(*cells.shape[:2], -1).astype(np.float64)
    flat -= flat.mean(axis=2, keepdims=True)
    return flat / np.linalg.norm(flat, axis=2, keepdims=True)


class TestPeople:
    def test_thirty_are_known_and_ten_are_not(self) -> None:
        assert sorted((*KNOWN, *STRANGERS)) == sorted(PEOPLE)
        assert len(STRANGERS) == 10
        assert not names(orl_faces(KNOWN)) & names(orl_faces(STRANGERS))

    def test_a_persons_photos_are_their_own(self) -> None:
        splits = orl_faces(("s40", "s02"))
        pairs = zip(splits.test.samples, splits.test.labels, strict=True)
        assert {(sample.name.split("/")[0], label) for sample, label in pairs} == {("s40", 0), ("s2", 1)}


class TestNames:
    def test_strangers_are_data_and_no_model(self) -> None:
        assert read("zoo:glyphs-strangers").classes == strangers()
        assert data_entry("faces-strangers").data(0).classes == STRANGERS
        with pytest.raises(ModelNotFoundError, match="zoo:glyphs-strangers are images of characters"):
            model_entry("zoo:glyphs-strangers")

    def test_the_data_of_a_model_are_found_as_before(self) -> None:
        assert data_entry("zoo:faces-30").data(0).classes == KNOWN
        with pytest.raises(ModelNotFoundError, match="no zoo model 'zoo:dogs'"):
            data_entry("zoo:dogs")
