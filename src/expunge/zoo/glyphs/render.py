"""Draws the glyph sheet from installed fonts: `python -m expunge.zoo.glyphs.render FONTS_FOLDER`.

One row of the sheet is one typeface, one column one character. Of every family the upright regular face is taken, if it
has all characters and looks like no face taken before. Faces are parted into training and test by the first word of
their family's name, and a test face that closely resembles a training face is dropped: clones carry other names.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from expunge.zoo.glyphs.data import CHARACTERS, FONTS, SHEET, SIDE

EM = 20
"""Size of a face in pixels to the em; every character stands on one baseline, so c and C differ in size."""

LEVELS = 16
"""Grey levels kept: anti-aliasing needs no more, and the file is half as large."""

REGULAR = frozenset({"regular", "book", "roman", "normal", "medium", "std", "text", ""})
NO_LETTERS = frozenset(
    {"D050000L", "Standard Symbols PS", "Go Smallcaps", "Linux Biolinum Keyboard O", "Mekanus ADF Titling Std"}
)
"""Families that draw something else in the letters' places."""

TWINS, RELATED = 0.96, 0.9
"""Correlation of whole faces above which a second face is dropped, and above which a test face is too near training."""

TEST_SHARE = 1 / 3


@dataclass(frozen=True, eq=False)
class Face:
    """One typeface and its glyphs, (characters, SIDE, SIDE) in 0 to 255."""

    family: str
    file: str
    glyphs: np.ndarray

    @property
    def relatives(self) -> str:
        """The start of the family's name, which its relatives share."""
        return self.family.split()[0].casefold()[:5]

    @property
    def shape(self) -> np.ndarray:
        """All pixels, centred and of length 1: the dot product of two faces is their correlation."""
        flat = self.glyphs.astype(np.float64).ravel()
        flat = flat - flat.mean()
        return flat / np.linalg.norm(flat)


def draw(path: Path) -> np.ndarray | None:
    """All characters in one face, white on black; None if the face lacks one or leaves it blank."""
    glyphs = draw_each(path, CHARACTERS)
    return glyphs if glyphs.any(axis=(1, 2)).all() else None


def draw_each(path: Path, characters: Sequence[str]) -> np.ndarray:
    """Each character in one face, (characters, SIDE, SIDE), white on black; blank where the face lacks it."""
    font = ImageFont.truetype(path, EM)
    absent = _drawn(font, "\uffff")
    glyphs = np.stack([_drawn(font, character) for character in characters])
    glyphs[(glyphs == absent).all(axis=(1, 2))] = 0
    return glyphs


def _drawn(font: ImageFont.FreeTypeFont, character: str) -> np.ndarray:
    image = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(image).text((SIDE / 2, EM), character, fill=255, font=font, anchor="ms")
    return np.asarray(image)


def faces(folder: Path) -> Iterator[Face]:
    """Regular faces below `folder`, one a family, in order of the family's name, none like an earlier one."""
    found: dict[str, Path] = {}
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in {".ttf", ".otf"}):
        try:
            family, style = ImageFont.truetype(path, EM).getname()
        except OSError:
            continue
        if family and family not in NO_LETTERS and (style or "").casefold() in REGULAR:
            found.setdefault(family, path)
    taken: list[np.ndarray] = []
    for family, path in sorted(found.items()):
        glyphs = draw(path)
        if glyphs is None or not _readable(glyphs):
            continue
        face = Face(family, path.name, glyphs)
        if not _resembles(face, taken, TWINS):
            taken.append(face.shape)
            yield face


def is_test(face: Face) -> bool:
    """Whether a face and all its relatives are for testing, by a hash of their common name."""
    return int(sha256(face.relatives.encode()).hexdigest()[:8], 16) / 16**8 < TEST_SHARE


def write_sheet(folder: Path) -> dict[str, int]:
    """Writes the sheet and the list of faces; returns how many of each kind there are."""
    found = list(faces(folder))
    train = [face for face in found if not is_test(face)]
    shapes = [face.shape for face in train]
    test = [face for face in found if is_test(face) and not _resembles(face, shapes, RELATED)]
    save_sheet(np.stack([face.glyphs for face in (*train, *test)]), SHEET)
    listed = [
        {"family": face.family, "file": face.file, "split": split}
        for split, part in (("train", train), ("test", test))
        for face in part
    ]
    FONTS.write_text(json.dumps(listed, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return {"train": len(train), "test": len(test)}


def save_sheet(cells: np.ndarray, path: Path) -> None:
    """Writes (faces, characters, SIDE, SIDE) as one image, a face a row of it."""
    Image.fromarray(levelled(np.concatenate(list(np.concatenate(list(cells.swapaxes(0, 1)), axis=2))))).save(
        path, optimize=True
    )


def levelled(pixels: np.ndarray) -> np.ndarray:
    """The nearest of the grey levels that are kept."""
    step = 255 // (LEVELS - 1)
    return (np.round(pixels / step) * step).astype(np.uint8)


def _resembles(face: Face, others: Sequence[np.ndarray], limit: float) -> bool:
    return any(float(face.shape @ other) >= limit for other in others)


def _readable(glyphs: np.ndarray) -> bool:
    """Leaves out capitals-only faces and the like: small letters must be neither capitals nor each other."""
    index = {character: i for i, character in enumerate(CHARACTERS)}
    pairs = [("a", "A"), ("e", "E"), ("g", "G"), ("r", "R"), ("a", "b"), ("1", "2")]
    return all(not np.array_equal(glyphs[index[a]], glyphs[index[b]]) for a, b in pairs)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draws the sheet from the command line."""
    parser = argparse.ArgumentParser(description="Draw the glyph sheet from installed fonts.")
    parser.add_argument("folder", type=Path, help="folder with TrueType and OpenType files, e.g. /usr/share/fonts")
    sys.stdout.write(json.dumps(write_sheet(parser.parse_args(arguments).folder)) + "\n")


if __name__ == "__main__":
    main()
