"""Composed scenes as a data set, made when they are asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

from expunge.data import Box, Pixels, Scenes
from expunge.data import Scene as Labelled
from expunge.data.scene_splits import SceneSplits
from expunge.zoo.scenes.compose import SIDE, scene
from expunge.zoo.scenes.cutouts import CLASSES, SPLITS

SIZES = (160, 40, 120)
"""Scenes for training, validation and test: enough to forget with and to measure, made and run in a minute."""


@dataclass(frozen=True, slots=True)
class ComposedSample:
    """The picture of one scene; see `expunge.zoo.scenes.compose.scene`."""

    seed: int
    split: str
    index: int

    @property
    def name(self) -> str:
        """Seed, split and index."""
        return f"{self.seed}/{self.split}/{self.index}"

    def load(self) -> Pixels:
        """Composes the picture anew, RGB."""
        return scene(self.seed, self.split, self.index).image


def scene_splits(sizes: Sequence[int] = SIZES, seed: int = 0) -> SceneSplits:
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
    train, validation, test = (_listed(seed, split, n) for split, n in zip(SPLITS, sizes, strict=True))
    return SceneSplits(train, validation, test)


def _listed(seed: int, split: str, n: int) -> Scenes:
    found = []
    for index in range(n):
        made = scene(seed, split, index)
        boxes = tuple(Box(box, label) for box, label in zip(made.boxes, made.labels, strict=True))
        found.append(Labelled(ComposedSample(seed, split, index), SIDE, SIDE, boxes))
    return Scenes(tuple(found), CLASSES)
