"""100 characters in many typefaces, in the manner of Chars74K-Fnt (de Campos et al., VISAPP 2009).

The sheet was drawn from fonts that Debian packages carry, see `render.py`; `fonts.json` names each. What is kept are
pictures of characters; the fonts themselves are no part of the project. Training and test share no typeface family.
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


@cache
def sheet() -> np.ndarray:
    """All glyphs, (faces, characters, SIDE, SIDE), 0 to 255, white on black."""
    with Image.open(SHEET) as image:
        pixels = np.asarray(image.convert("L"))
    faces = pixels.shape[0] // SIDE
    return pixels.reshape(faces, SIDE, len(CHARACTERS), SIDE).swapaxes(1, 2)


@cache
def fonts() -> tuple[dict[str, str], ...]:
    """Family, file and split of each face, in the order of the sheet's rows."""
    return tuple(json.loads(FONTS.read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True)
class GlyphSample:
    """One character in one typeface."""

    face: int
    character: int

    @property
    def name(self) -> str:
        """The family and the character's code point."""
        return f"{fonts()[self.face]['family']}/{CLASSES[self.character]}"

    def load(self) -> Image.Image:
        """A grey image of 28 × 28 pixels."""
        return Image.fromarray(sheet()[self.face, self.character])


def glyphs_of(split: str) -> Images:
    """All characters in all faces of `split`, "train" or "test"."""
    rows = [i for i, font in enumerate(fonts()) if font["split"] == split]
    samples = tuple(GlyphSample(face, c) for c in range(len(CHARACTERS)) for face in rows)
    return Images(samples, tuple(sample.character for sample in samples), CLASSES)


def glyphs(*, validation: float = 0.1, seed: int = 0) -> Splits:
    """Training, validation and test glyphs."""
    train, held_out = carve(glyphs_of("train"), validation, seed)
    return Splits(train=train, validation=held_out, test=glyphs_of("test"))
