"""Test pictures as the report shows them, with what a model says of each at each time of a run."""

from dataclasses import dataclass
from enum import StrEnum

from expunge.errors import EvidenceError
from expunge.pages import JPEG_SIGNATURE

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Prediction:
    """The class a model ranks first, and the probability it gives it, 0 to 1."""

    name: str
    probability: float


@dataclass(frozen=True, slots=True)
class Example:
    """One test image and what the model said of it.

    Attributes:
        png: The image as the bytes of a PNG file.
        truth: Name of its class.
        request: The request that forgets this class; None if it stays.
        predictions: First the original model's, then one after each request.

    Raises:
        EvidenceError: The image is no PNG.
    """

    png: bytes
    truth: str
    request: int | None
    predictions: tuple[Prediction, ...]

    def __post_init__(self) -> None:
        if not self.png.startswith(_PNG_SIGNATURE):
            raise EvidenceError(f"Expected the image of {self.truth!r} as PNG bytes, got another format.")


class Fate(StrEnum):
    """Meaning of a box, at one time of the run."""

    STAYS = "stays"
    """A class that no request takes."""

    NAMED = "named"
    """A class that a later request will take."""

    GHOST = "ghost"
    """A box of a class taken by now, where the original detector had it; it is not found any more."""

    STILL = "still"
    """A class taken by now, found nevertheless."""

    STRAY = "stray"
    """Another name where the original detector had a box of a class taken by now."""


@dataclass(frozen=True, slots=True)
class FoundBox:
    """One box.

    Attributes:
        corners: Left, top, right and bottom as shares of the picture, 0 to 1.
        name: Name of the class.
        score: The detector's score, 0 to 1; of a ghost, the original's.
        fate: What it stands for.
    """

    corners: tuple[float, float, float, float]
    name: str
    score: float
    fate: Fate


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers at the true test objects of all forgotten classes, at the end.

    Attributes:
        threshold: Lowest score of a box that counts, and that is shown.
        objects: How many such objects there are.
        renamed: At how many of them a box has another class's name.
        silent: At how many of them there is no box.
    """

    threshold: float
    objects: int
    renamed: int
    silent: int


@dataclass(frozen=True, slots=True)
class ScenePicture:
    """One test scene.

    Attributes:
        jpeg: The picture as the bytes of a JPEG file.
        width: Its width in pixels; only the shape counts.
        height: Its height.
        name: What it is called in the data.
        objects: Names of the true objects, each with the request that takes it, or None.
        states: The boxes under the original detector, then after each request.

    Raises:
        EvidenceError: The picture is no JPEG, or has no area.
    """

    jpeg: bytes
    width: int
    height: int
    name: str
    objects: tuple[tuple[str, int | None], ...]
    states: tuple[tuple[FoundBox, ...], ...]

    def __post_init__(self) -> None:
        if not self.jpeg.startswith(JPEG_SIGNATURE):
            raise EvidenceError(f"Expected the picture of scene {self.name!r} as JPEG bytes, got another format.")
        if self.width < 1 or self.height < 1:
            raise EvidenceError(f"Expected a picture with an area for {self.name!r}, got {self.width} x {self.height}.")


@dataclass(frozen=True, slots=True)
class Shown:
    """What the report shows of the test data of a run; a task fills what suits it.

    Attributes:
        examples: Images of one class each.
        scenes: Scenes with what was found in them.
        answers: What is said where forgotten objects are; there with `scenes`.
    """

    examples: tuple[Example, ...] = ()
    scenes: tuple[ScenePicture, ...] = ()
    answers: Answers | None = None
