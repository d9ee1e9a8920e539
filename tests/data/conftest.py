from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from expunge.data import Images


@dataclass(frozen=True, slots=True)
class DotSample:
    """One pixel whose red is the sample's number."""

    name: str
    red: int = 0

    def load(self) -> Image.Image:
        return Image.new("RGB", (1, 1), (self.red % 256, 0, 0))


@pytest.fixture(scope="session")
def labelled() -> Callable[..., Images]:
    """Makes images named `<prefix><position>` with the given labels, of classes a, b, c, …"""

    def make(labels: Sequence[int], classes: int = 3, prefix: str = "s") -> Images:
        samples = tuple(DotSample(f"{prefix}{position}", position) for position in range(len(labels)))
        return Images(samples, tuple(labels), tuple("abcdefghij"[:classes]))

    return make


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty data root."""
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


@pytest.fixture
def put(root: Path) -> Callable[..., None]:
    """Writes one-pixel images below the data root."""

    def write(*names: str, colour: tuple[int, int, int] = (1, 2, 3)) -> None:
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (1, 1), colour).save(path, "PNG")

    return write


@pytest.fixture
def pets(root: Path, put: Callable[..., None]) -> Path:
    """A data root with two classes, five training and two test images each."""
    for kind in ("dog", "cat"):
        put(*(f"train/{kind}/{number}.png" for number in range(5)))
        put(*(f"test/{kind}/{number}.png" for number in range(2)))
    return root
