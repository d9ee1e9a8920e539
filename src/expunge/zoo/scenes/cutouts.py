"""152 photo cut-outs of 22 classes and 17 panoramas of places, each for training, validation or test alone.

The cut-outs are the photographic stamps of Tux Paint, the places Poly Haven's; `sheet/README.md` tells their licences,
`scripts/scenes_sheet.py` draws the sheets. No cut-out and no place is in two splits.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from PIL import Image

from expunge.errors import CorruptWeightsError, DataError, MissingExtraError

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
CLASSES = (
    "apple",
    "big-cat",
    "car",
    "citrus",
    "fish",
    "golden-coin",
    "gravestone",
    "guitar",
    "hoofed-animal",
    "mushroom",
    "poultry",
    "purple-flower",
    "rabbit",
    "red-flower",
    "road-sign",
    "silver-coin",
    "tool",
    "tree",
    "tropical-bird",
    "truck",
    "wild-bird",
    "yellow-flower",
)
WITH_WRITING = frozenset({"golden-coin", "gravestone", "road-sign", "silver-coin", "truck"})
"""Classes that are not mirrored: writing would run backwards."""

VARIABLE = "EXPUNGE_SCENES"
FILES = ("cutouts.webp", "cutouts.json", "places.webp", "places.json")


@dataclass(frozen=True, slots=True)
class CutOut:
    """One photo cut out of its background.

    Attributes:
        label: Index of its class in `CLASSES`.
        split: Where alone it occurs.
        file: Its path among Tux Paint's stamps, which names it.
        corner: Left and upper edge in the sheet, in pixels.
        size: Width and height in pixels, the longer at most 128.
        credit: Who made it, as upstream tells.
        licence: Its licence, as upstream tells.
    """

    label: int
    split: Split
    file: str
    corner: tuple[int, int]
    size: tuple[int, int]
    credit: str
    licence: str

    def load(self) -> Image.Image:
        """The photo in RGBA."""
        left, upper = self.corner
        return _sheet(folder(), "cutouts.webp").crop((left, upper, left + self.size[0], upper + self.size[1]))


def folder() -> Path:
    """Where the sheets lie: beside this file, or in the folder that the environment variable EXPUNGE_SCENES names.

    Raises:
        MissingExtraError: They do not lie there.
    """
    found = Path(os.environ.get(VARIABLE) or Path(__file__).parent / "sheet")
    missing = [name for name in FILES if not (found / name).is_file()]
    if missing:
        raise MissingExtraError(
            f"the pictures of zoo:scenes are not in {found}: no {', '.join(missing)}. Photos are not kept in the "
            f"repository: scripts/scenes_sheet.py draws them, or name a folder that has them in {VARIABLE}."
        )
    return found


def cutouts(split: str) -> tuple[CutOut, ...]:
    """All cut-outs of a split, in order of their class and file.

    Raises:
        DataError: There is no such split.
        MissingExtraError: The pictures are not there.
        CorruptWeightsError: Their index is damaged.
    """
    _check(split)
    return tuple(cutout for cutout in _index(folder()) if cutout.split == split)


def places(split: str) -> tuple[Image.Image, ...]:
    """The panoramas of a split, RGB, 512 × 256 pixels: all around by straight down to straight up.

    Raises:
        DataError: There is no such split.
        MissingExtraError: The pictures are not there.
        CorruptWeightsError: Their index is damaged.
    """
    _check(split)
    return _places(folder(), split)


def digest() -> str:
    """SHA-256 over both sheets and their indices: scenes are the same only where it is."""
    total = hashlib.sha256()
    for name in FILES:
        total.update((folder() / name).read_bytes())
    return total.hexdigest()


def _check(split: str) -> None:
    if split not in SPLITS:
        raise DataError(f"no split {split!r}; there is: {', '.join(SPLITS)}")


@cache
def _index(root: Path) -> tuple[CutOut, ...]:
    path = root / "cutouts.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        side, columns = content["side"], content["columns"]
        return tuple(
            CutOut(
                CLASSES.index(entry["class"]),
                entry["split"],
                entry["file"],
                (i % columns * side, i // columns * side),
                (entry["size"][0], entry["size"][1]),
                entry["credit"],
                entry["licence"],
            )
            for i, entry in enumerate(content["cutouts"])
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptWeightsError(f"{path} is damaged: {error!r}. Check the repository out again.") from error


@cache
def _places(root: Path, split: str) -> tuple[Image.Image, ...]:
    path = root / "places.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        width, height = content["size"]
        rows = [i for i, entry in enumerate(content["places"]) if entry["split"] == split]
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptWeightsError(f"{path} is damaged: {error!r}. Check the repository out again.") from error
    strip = _sheet(root, "places.webp").convert("RGB")
    return tuple(strip.crop((0, i * height, width, (i + 1) * height)) for i in rows)


@cache
def _sheet(root: Path, name: str) -> Image.Image:
    try:
        with Image.open(root / name) as image:
            return image.convert("RGBA")
    except OSError as error:
        raise CorruptWeightsError(f"{root / name} cannot be read: {error}. Check the repository out again.") from error
