"""Scenes of random pixels, in memory."""

from dataclasses import dataclass, field

from PIL import Image

from expunge.data import Box, Pixels, Scene, Scenes
from tests.vision.detection.detectors import CLASSES, picture


@dataclass(frozen=True, eq=False)
class Drawn:
    """A picture that counts how often it is asked for."""

    name: str
    image: Image.Image
    loads: list[int] = field(default_factory=list)

    def load(self) -> Pixels:
        """The picture."""
        self.loads.append(1)
        return self.image


def drawn_scene(number: int, *boxes: Box, crowds: tuple[Box, ...] = (), width: int = 50, height: int = 40) -> Scene:
    """One scene with boxes as given."""
    return Scene(Drawn(f"{number}.png", picture(width, height, number)), width, height, boxes, crowds)


def box(label: int, left: float = 5.0, top: float = 5.0, right: float = 25.0, bottom: float = 30.0) -> Box:
    """A box of a class."""
    return Box((left, top, right, bottom), label)


def drawn_scenes(*scenes: Scene, classes: tuple[str, ...] = CLASSES) -> Scenes:
    """Scenes of the tiny detectors' classes."""
    return Scenes(scenes, classes)
