"""Portraits of 24 people, cut out of ORL's photos; no photo is in two splits.

The photos are read where the package installed them (see `expunge.zoo.orl`), so scenes can be made wherever pip can
install it. A portrait is the oval in the middle of a photo: ORL's photos show little but a head.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

from expunge.errors import DataError
from expunge.zoo.orl import PEOPLE, orl_photos

PHOTOS: Mapping[str, range] = {"train": range(1, 7), "validation": range(7, 8), "test": range(8, 11)}
"""Which of a person's ten photos a split has."""

SPLITS = ("train", "validation", "test")
CLASSES = PEOPLE[:24]
SOFT = 0.08
"""Share of the oval's radius over which its edge fades."""


@dataclass(frozen=True, slots=True)
class CutOut:
    """One portrait.

    Attributes:
        label: Index of its person in `CLASSES`.
        split: Where alone it occurs.
        file: The photo's path in its package.
    """

    label: int
    split: str
    file: str

    def load(self) -> Image.Image:
        """The portrait in RGBA, 92 × 112 pixels.

        Raises:
            MissingExtraError: The package with the photos is not installed.
            CorruptWeightsError: A photo is missing from it.
        """
        return _portraits(self.split)[self.file]


def cutouts(split: str) -> tuple[CutOut, ...]:
    """All portraits of a split, in order of their person and photo.

    Raises:
        DataError: There is no such split.
        MissingExtraError: The package with the photos is not installed.
        CorruptWeightsError: A photo is missing from it.
    """
    if split not in PHOTOS:
        raise DataError(f"no split {split!r}; there is: {', '.join(SPLITS)}")
    photos = orl_photos(PHOTOS[split]).only(range(len(CLASSES)))
    return tuple(CutOut(label, split, sample.name) for label, sample in zip(photos.labels, photos.samples, strict=True))


@cache
def digest() -> str:
    """SHA-256 over all portraits: scenes are the same only where it is.

    Raises:
        MissingExtraError: The package with the photos is not installed.
        CorruptWeightsError: A photo is missing from it.
    """
    total = hashlib.sha256()
    for split in SPLITS:
        for portrait in _portraits(split).values():
            total.update(portrait.tobytes())
    return total.hexdigest()


@cache
def _portraits(split: str) -> dict[str, Image.Image]:
    photos = orl_photos(PHOTOS[split]).only(range(len(CLASSES)))
    return {sample.name: _cut(sample.load()) for sample in photos.samples}


def _cut(photo: object) -> Image.Image:
    """Leaves the largest oval of a photo."""
    assert isinstance(photo, Image.Image)
    portrait = photo.convert("RGB")
    x, y = (np.abs(np.linspace(-1, 1, side)) for side in portrait.size)
    inside = (1 - np.hypot(x[None], y[:, None])) / SOFT
    portrait.putalpha(Image.fromarray((255 * inside.clip(0, 1)).astype(np.uint8)))
    return portrait
