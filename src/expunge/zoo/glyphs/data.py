"""100 characters in many typefaces, in the manner of Chars74K-Fnt (de Campos et al., VISAPP 2009).

The sheet was drawn from fonts that Debian packages carry, see `render.py`; `fonts.json` names each. What is kept are
pictures of characters; the fonts themselves are no part of the project. Training and test share no typeface family.

A second sheet holds *strangers* in the same faces, characters that no model of `zoo:glyphs` has seen: `strangers.py`
draws them, `strangers.json` lists them.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from expunge.data import Images, Splits, carve

SIDE = 28
CHARACTERS = "".join(map(chr, range(33, 127))) + "ÄÖßéñæ"
CLASSES = tuple(f"U+{ord(character):04X}" for character in CHARACTERS)
FOLDER = Path(__file__).parent
SHEET, FONTS = FOLDER / "sheet.png", FOLDER / "fonts.json"
STRANGER_SHEET, STRANGERS = FOLDER / "strangers.png", FOLDER / "strangers.json"


@cache
def sheet() -> np.ndarray:
    """All glyphs, (faces, characters, SIDE, SIDE), 0 to 255, white on black."""
    return _cells(SHEET)


@cache
def stranger_sheet() -> np.ndarray:
    """All strangers in the same faces, (faces, strangers, SIDE, SIDE); blank where a face lacks the character."""
    return _cells(STRANGER_SHEET)


def _cells(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("L"))
    faces, columns = (length // SIDE for length in pixels.shape)
    return pixels.reshape(faces, SIDE, columns, SIDE).swapaxes(1, 2)


@cache
def fonts() -> tuple[dict[str, str], ...]:
    """Family, file and split of each face, in the order of the sheet's rows."""
    return tuple(json.loads(FONTS.read_text(encoding="utf-8")))


@cache
def strangers() -> tuple[str, ...]:
    """Code points of the strangers, in the order of their sheet's columns."""
    return tuple(json.loads(STRANGERS.read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True)
class GlyphSample:
    """One character in one typeface.

    Attributes:
        face: Row of the sheets.
        character: Column of the sheet; strangers go on counting after the last of the characters.
    """

    face: int
    character: int

    @property
    def name(self) -> str:
        """The family and the character's code point."""
        return f"{fonts()[self.face]['family']}/{(*CLASSES, *strangers())[self.character]}"

    def load(self) -> Image.Image:
        """A grey image of 28 × 28 pixels."""
        known = len(CLASSES)
        if self.character < known:
            return Image.fromarray(sheet()[self.face, self.character])
        return Image.fromarray(stranger_sheet()[self.face, self.character - known])


def glyphs_of(split: str) -> Images:
    """All characters in all faces of `split`, "train" or "test"."""
    rows = [i for i, font in enumerate(fonts()) if font["split"] == split]
    samples = tuple(GlyphSample(face, c) for c in range(len(CHARACTERS)) for face in rows)
    return Images(samples, tuple(sample.character for sample in samples), CLASSES)


def glyphs(*, validation: float = 0.1, seed: int = 0) -> Splits:
    """Training, validation and test glyphs."""
    train, held_out = carve(glyphs_of("train"), validation, seed)
    return Splits(train=train, validation=held_out, test=glyphs_of("test"))


def glyph_strangers(*, validation: float = 0.1, seed: int = 0) -> Splits:
    """Characters that no model of `zoo:glyphs` has seen, parted by typeface as `glyphs` is."""
    train, held_out = carve(_strangers_of("train"), validation, seed)
    return Splits(train=train, validation=held_out, test=_strangers_of("test"))


def _strangers_of(split: str) -> Images:
    drawn = stranger_sheet().max(axis=(2, 3)) > 0
    rows = [i for i, font in enumerate(fonts()) if font["split"] == split]
    cells = [(face, c) for c in range(len(strangers())) for face in rows if drawn[face, c]]
    samples = tuple(GlyphSample(face, len(CLASSES) + c) for face, c in cells)
    return Images(samples, tuple(c for _, c in cells), strangers())
