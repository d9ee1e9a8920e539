"""Draws the sheet of strangers: `python -m expunge.zoo.glyphs.strangers FONTS_FOLDER`.

Strangers are characters that no model of `zoo:glyphs` has seen, in the faces of the sheet and parted as these are.
Nobody picked them; the rule is:

1. Letters, numbers, punctuation and symbols of `BLOCKS` that Unicode does not compose of others: no accented letters.
2. At least half of the training faces and half of the test faces carry it, drawn otherwise than any known character.
3. Averaged over faces it correlates with no known character, nor with a stranger before it, by more than `LIKE`.
4. All letters that are left, and as many numbers and signs as keep the mix of the known, the first by a hash.

A face is drawn again from the file that `fonts.json` names, and taken if its known characters come out as in the sheet.
"""

import argparse
import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from expunge.zoo.glyphs.data import CHARACTERS, STRANGER_SHEET, STRANGERS, fonts, sheet
from expunge.zoo.glyphs.render import draw, draw_each, levelled, save_sheet

BLOCKS = (range(0xA1, 0x250), range(0x370, 0x460), range(0x2010, 0x2600))
"""Latin, Greek and Cyrillic letters; general punctuation to geometric shapes."""

SIGNS = frozenset({"Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "Sc", "Sm", "So"})
"""Punctuation and symbols. Not among them: accents that stand by themselves."""

LIKE = 0.88
"""Correlation of two characters; of the known ones, accents aside, O and Q come as near."""

SAME = 0.99
"""Correlation of a face with its row of the sheet from which on it is the same face."""


def candidates() -> tuple[str, ...]:
    """The first part of the rule, in order of code points."""
    every = (chr(point) for block in BLOCKS for point in block)
    return tuple(c for c in every if kind(c) and unicodedata.normalize("NFD", c) == c and c not in CHARACTERS)


def kind(character: str) -> str:
    """Its kind: "letter", "number" or "sign"; empty for what is none of them."""
    category = unicodedata.category(character)
    if category in {"Lu", "Ll", "Lo"}:
        return "letter"
    if category[0] == "N":
        return "number"
    return "sign" if category in SIGNS or character in CHARACTERS else ""


def files_of_faces(folder: Path) -> tuple[Path | None, ...]:
    """For each row of the sheet the file below `folder` that draws it; None if there is none."""
    found: dict[str, list[Path]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        found.setdefault(path.name, []).append(path)
    rows = zip(fonts(), sheet(), strict=True)
    return tuple(next((p for p in found.get(font["file"], []) if _draws(p, row)), None) for font, row in rows)


def _draws(path: Path, row: np.ndarray) -> bool:
    glyphs = draw(path)
    return glyphs is not None and float(np.corrcoef(levelled(glyphs).ravel(), row.ravel())[0, 1]) > SAME


def own(cells: np.ndarray) -> np.ndarray:
    """`cells` with blanks where a face draws a character as it draws a known one: nobody could tell these apart."""
    known = [{picture.tobytes() for picture in row} for row in sheet()]
    borrowed = [[picture.tobytes() in there for picture in row] for row, there in zip(cells, known, strict=True)]
    return np.where(np.array(borrowed)[..., None, None], np.uint8(0), cells)


def choose(characters: Sequence[str], cells: np.ndarray) -> tuple[int, ...]:
    """The second to fourth part of the rule.

    Args:
        characters: The candidates.
        cells: What each face makes of each, (faces, characters, SIDE, SIDE); blank where it lacks it.

    Returns:
        Indices into `characters`, ascending.
    """
    there, tests = cells.max(axis=(2, 3)) > 0, np.array([font["split"] == "test" for font in fonts()])
    common = (2 * there[tests].sum(axis=0) >= tests.sum()) & (2 * there[~tests].sum(axis=0) >= (~tests).sum())
    known, everywhere = _unit(sheet()), np.ones(sheet().shape[:2], dtype=bool)
    taken: list[int] = []
    for i in np.flatnonzero(common):
        ours = _unit(cells[:, [i]])
        before = _likeness(ours, there[:, [i]], _unit(cells[:, taken]), there[:, taken])
        if max([*_likeness(ours, there[:, [i]], known, everywhere), *before]) <= LIKE:
            taken.append(int(i))
    return _mixed(characters, taken)


def _likeness(one: np.ndarray, one_there: np.ndarray, others: np.ndarray, others_there: np.ndarray) -> np.ndarray:
    """Correlation of a character with each of the others, the mean over the faces that have both."""
    both = one_there & others_there
    return ((one * others).sum(axis=2) * both).sum(axis=0) / np.maximum(both.sum(axis=0), 1)


def _mixed(characters: Sequence[str], taken: Iterable[int]) -> tuple[int, ...]:
    """All letters, and of numbers and signs as many as the known characters have to as many letters."""
    by_kind: dict[str, list[int]] = {}
    for i in sorted(taken, key=lambda i: sha256(f"U+{ord(characters[i]):04X}".encode()).digest()):
        by_kind.setdefault(kind(characters[i]), []).append(i)
    known = [kind(character) for character in CHARACTERS]
    share = len(by_kind["letter"]) / known.count("letter")
    kept = [i for name, those in by_kind.items() for i in those[: round(share * known.count(name))]]
    return tuple(sorted(kept))


def _unit(cells: np.ndarray) -> np.ndarray:
    """Each picture of (…, SIDE, SIDE) as a row, centred and of length 1: a dot product is a correlation."""
    flat = cells.reshape(*cells.shape[:-2], cells.shape[-2] * cells.shape[-1]).astype(np.float32)
    centred = flat - flat.mean(axis=-1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=-1, keepdims=True), 1e-12)


def write_strangers(folder: Path) -> dict[str, int]:
    """Writes the sheet of strangers and the list of them; returns how many faces and strangers there are."""
    files, characters = files_of_faces(folder), candidates()
    blank = np.zeros((len(characters), *sheet().shape[2:]), dtype=np.uint8)
    cells = own(levelled(np.stack([draw_each(file, characters) if file else blank for file in files])))
    chosen = choose(characters, cells)
    save_sheet(cells[:, list(chosen)], STRANGER_SHEET)
    listed = [f"U+{ord(characters[i]):04X}" for i in chosen]
    STRANGERS.write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
    return {"faces": sum(file is not None for file in files), "strangers": len(listed)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Draws the sheet of strangers from the command line."""
    parser = argparse.ArgumentParser(description="Draw the sheet of strangers from installed fonts.")
    parser.add_argument("folder", type=Path, help="folder with the files that fonts.json names, e.g. /usr/share/fonts")
    sys.stdout.write(json.dumps(write_strangers(parser.parse_args(arguments).folder)) + "\n")


if __name__ == "__main__":
    main()
