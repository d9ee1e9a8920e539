"""Portraits of ORL's people, 24 whom the detector knows and 16 strangers; no photo is in two splits.

The photos are read where the package installed them (see `expunge.zoo.orl`), so scenes can be made wherever pip can
install it. A portrait is the oval in the middle of a photo: ORL's photos show little but a head.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

from expunge.data import Images
from expunge.errors import DataError
from expunge.zoo.orl import PEOPLE, orl_photos

PHOTOS: Mapping[str, range] = {"train": range(1, 7), "validation": range(7, 8), "test": range(8, 11)}
"""Photos of a person's ten that each split has."""

SPLITS = ("train", "validation", "test")
CLASSES = PEOPLE[:24]
"""Whom the shipped detector was trained to find."""

STRANGERS = PEOPLE[len(CLASSES) :]
"""People who are in no scene that any detector was trained with, not even without a box."""

SOFT = 0.08
"""Share of the oval's radius over which its edge fades."""


@dataclass(frozen=True, slots=True)
class CutOut:
    """One portrait.

    Attributes:
        label: Index of its person in `people`.
        split: Where alone it occurs.
        file: The photo's path in its package.
        people: Among whom it is counted.
    """

    label: int
    split: str
    file: str
    people: tuple[str, ...] = CLASSES

    def load(self) -> Image.Image:
        """The portrait in RGBA, 92 × 112 pixels.

        Raises:
            MissingExtraError: The package with the photos is not installed.
            CorruptWeightsError: A photo is missing from it.
        """
        return _portraits(self.split, self.people)[self.file]


def cutouts(split: str, people: tuple[str, ...] = CLASSES) -> tuple[CutOut, ...]:
    """All portraits of some people in a split, in order of person and photo.

    Args:
        split: One of `SPLITS`.
        people: Names of ORL's people; labels are their places.

    Raises:
        DataError: There is no such split, or no such person.
        MissingExtraError: The package with the photos is not installed.
        CorruptWeightsError: A photo is missing from it.
    """
    if split not in PHOTOS:
        raise DataError(f"no split {split!r}; there is: {', '.join(SPLITS)}")
    return tuple(
        CutOut(label, split, sample.name, people)
        for label, photos in enumerate(_photos(split, people))
        for sample in photos.samples
    )


@cache
def digest() -> str:
    """SHA-256 over all portraits of `CLASSES`: scenes of them are the same only where it is.

    Raises:
        MissingExtraError: The package with the photos is not installed.
        CorruptWeightsError: A photo is missing from it.
    """
    total = hashlib.sha256()
    for split in SPLITS:
        for portrait in _portraits(split, CLASSES).values():
            total.update(portrait.tobytes())
    return total.hexdigest()


@cache
def _portraits(split: str, people: tuple[str, ...]) -> dict[str, Image.Image]:
    return {sample.name: _cut(sample.load()) for photos in _photos(split, people) for sample in photos.samples}


def _photos(split: str, people: tuple[str, ...]) -> tuple[Images, ...]:
    """A split's photos of each of some people."""
    unknown = [name for name in people if name not in PEOPLE]
    if unknown:
        raise DataError(f"expected people of ORL, {PEOPLE[0]} to {PEOPLE[-1]}; got {unknown[0]!r}")
    photos = orl_photos(PHOTOS[split])
    return tuple(photos.only([PEOPLE.index(name)]) for name in people)


def _cut(photo: object) -> Image.Image:
    """Leaves the largest oval of a photo."""
    assert isinstance(photo, Image.Image)
    portrait = photo.convert("RGB")
    x, y = (np.abs(np.linspace(-1, 1, side)) for side in portrait.size)
    inside = (1 - np.hypot(x[None], y[:, None])) / SOFT
    portrait.putalpha(Image.fromarray((255 * inside.clip(0, 1)).astype(np.uint8)))
    return portrait
