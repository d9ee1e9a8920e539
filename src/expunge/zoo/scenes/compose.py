"""Composes scenes: one to eight portraits of many sizes before a texture, the nearer ones hiding parts of the others.

What is lower in the picture counts as nearer, and nobody is in a scene twice. A portrait is put down only where it
leaves at least 40 % of every one in sight, the picture's edge included; so each that was put down is labelled.
Everything follows from the seed.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image, ImageFilter

from expunge.errors import DataError
from expunge.zoo.scenes._backdrop import backdrop
from expunge.zoo.scenes.cutouts import CLASSES, CutOut, cutouts

SIDE = 224
MOST_OBJECTS, TRIES = 8, 30
LONGEST = (48.0, 124.0)
"""Range of an object's longer side in pixels, drawn evenly on a logarithmic scale."""

LEAST_VISIBLE = 0.4
TURN, OVERHANG = 10.0, 0.25
"""Degrees an object is turned at most; share of its width that may lie outside."""

SHADE = 0.45
"""Darkness of the soft shadow that an object casts on what lies behind it."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class ComposedScene:
    """One picture and the objects in it, from the farthest to the nearest.

    Attributes:
        name: Seed, split and index, and who is in it if not the detector's own people; they make it again.
        image: RGB, 224 × 224 pixels.
        boxes: Left, upper, right and lower edge of what can be seen of each object, in pixels.
        labels: Each object's class, an index among the people that the scene is drawn from.
        visible: Which share of each object can be seen, at least 0.4.
        areas: How many pixels of each object can be seen.
        files: Each object's cut-out.
    """

    name: str
    image: Image.Image
    boxes: tuple[Box, ...]
    labels: tuple[int, ...]
    visible: tuple[float, ...]
    areas: tuple[int, ...]
    files: tuple[str, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Placed:
    """A cut-out at its place.

    Attributes:
        cutout: Which one.
        layer: The whole picture's size in RGBA, empty but for the object.
        mask: Where it is, (SIDE, SIDE), true or false.
        whole: How many pixels it has, those outside of the picture included.
        bottom: Its lower edge in pixels.
    """

    cutout: CutOut
    layer: Image.Image
    mask: np.ndarray
    whole: int
    bottom: int


def scenes(seed: int, split: str, n: int, people: tuple[str, ...] = CLASSES) -> Iterator[ComposedScene]:
    """The first `n` scenes of a seed and split, one at a time.

    Raises:
        DataError: There is no such split or person, or `n` is negative.
        MissingExtraError: The package with the photos is not installed.
        CorruptWeightsError: A photo is missing from it.
    """
    if n < 0:
        raise DataError(f"expected a number of scenes, 0 or more; got {n}")
    cutouts(split, people)  # so that what is wrong is said at once, not when the first scene is asked for
    return (scene(seed, split, index, people) for index in range(n))


def scene_name(seed: int, split: str, index: int, people: tuple[str, ...] = CLASSES) -> str:
    """The name of a scene, from which everything in it is drawn."""
    name = f"{seed}/{split}/{index}"
    return name if people == CLASSES else f"{people[0]}-{people[-1]}/{name}"


def scene(seed: int, split: str, index: int, people: tuple[str, ...] = CLASSES) -> ComposedScene:
    """One scene by itself, the same as in `scenes`.

    Args:
        seed: Seed of the scenes.
        split: Which photos of the people may occur.
        index: Which scene.
        people: Who may occur; labels are their places.

    Raises:
        DataError: There is no such split or person.
        MissingExtraError: The package with the photos is not installed.
        CorruptWeightsError: A photo is missing from it.
    """
    name = scene_name(seed, split, index, people)
    random = Random(name)
    by_class: list[list[CutOut]] = [[] for _ in people]
    for cutout in cutouts(split, people):
        by_class[cutout.label].append(cutout)
    image = backdrop(random, SIDE)
    placed: list[Placed] = []
    for label in random.sample(range(len(people)), random.randint(1, min(MOST_OBJECTS, len(people)))):
        placed = _with_another(placed, random.choice(by_class[label]), random)
    for one in placed:
        image = _painted(image, one)
    return _labelled(name, image, placed)


def _with_another(placed: list[Placed], cutout: CutOut, random: Random) -> list[Placed]:
    """The objects with one more among them, or without where no place is found for it."""
    picture = _varied(cutout, random)
    for _ in range(TRIES):
        more = sorted([*placed, _put(cutout, picture, random)], key=lambda one: one.bottom)
        if all(shown.sum() >= LEAST_VISIBLE * one.whole for one, shown in zip(more, _shown(more), strict=True)):
            return more
    return placed


def _varied(cutout: CutOut, random: Random) -> Image.Image:
    """The cut-out at a random size, turned a little, lighter or darker, half of them mirrored."""
    picture = cutout.load()
    longest = math.exp(random.uniform(*map(math.log, LONGEST)))
    scale = longest / max(picture.size)
    picture = picture.resize(
        (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), Image.Resampling.BICUBIC
    )
    if random.random() < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    picture = picture.rotate(random.uniform(-TURN, TURN), Image.Resampling.BICUBIC, expand=True)
    gain = random.uniform(0.8, 1.15)
    levels = [min(255, round(level * gain)) for level in range(256)]
    return picture.point(levels * 3 + list(range(256)))


def _put(cutout: CutOut, picture: Image.Image, random: Random) -> Placed:
    """The cut-out at a random position, mostly inside."""
    out = (round(OVERHANG * picture.width), round(OVERHANG * picture.height))
    left = random.randint(-out[0], SIDE - picture.width + out[0])
    upper = random.randint(-out[1], SIDE - picture.height + out[1])
    layer = Image.new("RGBA", (SIDE, SIDE))
    layer.paste(picture, (left, upper))
    whole = int((np.asarray(picture.getchannel("A")) > 127).sum())
    return Placed(cutout, layer, np.asarray(layer.getchannel("A")) > 127, whole, upper + picture.height)


def _shown(placed: list[Placed]) -> list[np.ndarray]:
    """Part of each object's mask that nearer objects, the later ones, leave."""
    hidden, shown = np.zeros((SIDE, SIDE), bool), []
    for one in reversed(placed):
        shown.append(one.mask & ~hidden)
        hidden = hidden | one.mask
    return shown[::-1]


def _painted(image: Image.Image, one: Placed) -> Image.Image:
    """The picture with an object and its shadow, cast to the lower right, in front."""
    alpha = one.layer.getchannel("A")
    shadow = Image.new("L", (SIDE, SIDE))
    shadow.paste(alpha, (2, 3))
    shadow = shadow.filter(ImageFilter.GaussianBlur(4)).point([round(level * SHADE) for level in range(256)])
    image = Image.composite(Image.new("RGB", (SIDE, SIDE)), image, shadow)
    return Image.composite(one.layer.convert("RGB"), image, alpha)


def _labelled(name: str, image: Image.Image, placed: list[Placed]) -> ComposedScene:
    shown = _shown(placed)
    areas = tuple(int(mask.sum()) for mask in shown)
    return ComposedScene(
        name,
        image,
        tuple(_box(mask) for mask in shown),
        tuple(one.cutout.label for one in placed),
        tuple(area / one.whole for area, one in zip(areas, placed, strict=True)),
        areas,
        tuple(one.cutout.file for one in placed),
    )


def _box(mask: np.ndarray) -> Box:
    """The smallest box around all true pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
