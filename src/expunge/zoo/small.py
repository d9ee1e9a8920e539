"""The zoo's small models: each has a recipe, its images, and a checkpoint that `expunge.zoo.train` wrote.

The same recipe with other seeds, or without some classes, makes the other models and the oracles of the benchmarks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_model

from expunge.data import Splits
from expunge.errors import CorruptWeightsError
from expunge.vision import VisionModel
from expunge.zoo._small_vit import Shape
from expunge.zoo.fashion.data import fashion
from expunge.zoo.glyphs.data import glyphs
from expunge.zoo.recipe import Recipe, wrap


@dataclass(frozen=True)
class Small:
    """One small model.

    Attributes:
        name: Its name after `zoo:`.
        recipe: What trains it.
        data: Loads its images. The checkpoint has seen none of the validation images.
    """

    name: str
    recipe: Recipe
    data: Callable[[], Splits]

    @property
    def folder(self) -> Path:
        """Folder of its checkpoint."""
        return Path(__file__).parent / self.name / "checkpoint"

    def model(self, classes: tuple[str, ...]) -> VisionModel:
        """The shipped checkpoint.

        Raises:
            CorruptWeightsError: It is missing or damaged.
        """
        module = self.recipe.shape.build(len(classes))
        path = self.folder / "model.safetensors"
        try:
            load_model(module, path)
        except (OSError, RuntimeError, SafetensorError) as error:
            raise CorruptWeightsError(f"{path} cannot be read: {error}. Install expunge again.") from error
        return wrap(module, classes, f"zoo:{self.name}", architecture=f"zoo:{self.name}")


FASHION = Small(
    "fashion",
    Recipe(Shape(dim=48, blocks=4), epochs=8, mirror=True),
    lambda: fashion(source="full"),
)
GLYPHS = Small(
    "glyphs",
    Recipe(Shape(dim=48, blocks=4), epochs=20, shift=2),
    glyphs,
)
SMALL = {small.name: small for small in (FASHION, GLYPHS)}
