"""Composed scenes as a data set, made when they are asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

from expunge.data import Box, Pixels, Scenes, Splits
from expunge.data import Scene as Labelled
from expunge.zoo.scenes.compose import SIDE, scene, scene_name
from expunge.zoo.scenes.cutouts import CLASSES, SPLITS, STRANGERS

SIZES = (160, 40, 120)
"""Scenes for training, validation and test: enough to forget with and to measure, made and run in a minute."""

STRANGER_SIZES = (108, 27, 80)
"""As many scenes for each stranger as `SIZES` has for each of those whom the detector knows, to a scene or two."""


@dataclass(frozen=True, slots=True)
class ComposedSample:
    """The picture of one scene; see `expunge.zoo.scenes.compose.scene`."""

    seed: int
    split: str
    index: int
    people: tuple[str, ...] = CLASSES

    @property
    def name(self) -> str:
        """Seed, split and index."""
        return scene_name(self.seed, self.split, self.index, self.people)

    def load(self) -> Pixels:
        """Composes the picture anew, RGB."""
        return scene(self.seed, self.split, self.index, self.people).image


def scene_splits(sizes: Sequence[int] = SIZES, seed: int = 0) -> Splits[Scenes]:
    """The first scenes of each split.

    With seed 0 training scenes are among those that the shipped detector was trained with; it has seen no photo of the
    others.

    Args:
        sizes: How many scenes for training, validation and test.
        seed: Seed of the scenes.

    Raises:
        MissingExtraError: The package with the photos is not installed.
        CorruptWeightsError: A photo is missing from it.
    """
    return composed_splits(sizes, seed, CLASSES)


def scene_strangers(sizes: Sequence[int] = STRANGER_SIZES, seed: int = 0) -> Splits[Scenes]:
    """Scenes of the 16 people whom no detector of ours has seen, each with a class of its own.

    They are composed as `scene_splits` composes its own, of as many photos of each person in a split, so that nothing
    but who is in them tells the two apart. The two sets share no person, no texture and no place, whatever the seeds.

    Args:
        sizes: How many scenes for training, validation and test.
        seed: Seed of the scenes.

    Raises:
        MissingExtraError: The package with the photos is not installed.
        CorruptWeightsError: A photo is missing from it.
    """
    return composed_splits(sizes, seed, STRANGERS)


def composed_splits(sizes: Sequence[int], seed: int, people: tuple[str, ...]) -> Splits[Scenes]:
    """Scenes of any of ORL's people, each with a class of its own; see `scene_splits` and `scene_strangers`."""
    train, validation, test = (_listed(seed, split, n, people) for split, n in zip(SPLITS, sizes, strict=True))
    return Splits(train, validation, test)


def _listed(seed: int, split: str, n: int, people: tuple[str, ...]) -> Scenes:
    found = []
    for index in range(n):
        made = scene(seed, split, index, people)
        boxes = tuple(Box(box, label) for box, label in zip(made.boxes, made.labels, strict=True))
        found.append(Labelled(ComposedSample(seed, split, index, people), SIDE, SIDE, boxes))
    return Scenes(tuple(found), people)
