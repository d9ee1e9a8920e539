"""Fashion-MNIST (Xiao et al., arXiv 1708.07747; MIT licence): 60,000 + 10,000 product images, 28 × 28, ten classes.

The full set is read where it is installed: Debian's package `dataset-fashion-mnist` puts it into /usr/share, and the
environment variable EXPUNGE_FASHION_MNIST names any other folder with the four IDX files. A sample that is enough to
try things out, the first images of each class, is part of the package.

The ten classes are all there are, and `zoo:fashion` knows them: nothing of their kind could serve it as a stranger.
"""

import gzip
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from expunge.data import Images, Splits, carve
from expunge.errors import CorruptWeightsError, MissingExtraError

SIDE = 28
CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot")
VARIABLE = "EXPUNGE_FASHION_MNIST"
INSTALLED = Path("/usr/share/datasets/fashion-mnist")
SAMPLE = Path(__file__).parent / "sample.png"
SAMPLE_TRAIN, SAMPLE_TEST = 60, 40

Source = Literal["full", "sample"]
Split = Literal["train", "test"]


def installed() -> bool:
    """Whether the full data set is on this machine."""
    return (_folder() / "train-images-idx3-ubyte.gz").is_file()


@dataclass(frozen=True, slots=True)
class FashionSample:
    """One product image of the full set or of the sample."""

    source: Source
    split: Split
    index: int

    @property
    def name(self) -> str:
        """Split and position."""
        return f"{self.source}/{self.split}/{self.index}"

    def load(self) -> Image.Image:
        """A grey image of 28 × 28 pixels."""
        return Image.fromarray(_arrays(self.source, self.split)[0][self.index])


def fashion_images(split: Split, source: Source = "full") -> Images:
    """All images of a split.

    Raises:
        MissingExtraError: The full data set is not installed.
        CorruptWeightsError: A file is not what it should be.
    """
    labels = _arrays(source, split)[1]
    samples = tuple(FashionSample(source, split, i) for i in range(len(labels)))
    return Images(samples, tuple(int(label) for label in labels), CLASSES)


def fashion(*, source: Source | None = None, validation: float = 0.1, seed: int = 0) -> Splits:
    """Training, validation and test images; the full set where it is installed and the sample elsewhere.

    Raises:
        MissingExtraError: The full data set was asked for and is not installed.
    """
    chosen: Source = source or ("full" if installed() else "sample")
    train, held_out = carve(fashion_images("train", chosen), validation, seed)
    return Splits(train=train, validation=held_out, test=fashion_images("test", chosen))


def write_sample() -> None:
    """Writes the sample from the full set: one row a class, training images first."""
    rows = []
    for label in range(len(CLASSES)):
        for split, count in (("train", SAMPLE_TRAIN), ("test", SAMPLE_TEST)):
            pixels, labels = _arrays("full", split)
            rows.append(np.concatenate(list(pixels[labels == label][:count]), axis=1))
    pairs = [np.concatenate(rows[i : i + 2], axis=1) for i in range(0, len(rows), 2)]
    Image.fromarray(np.concatenate(pairs)).save(SAMPLE, optimize=True)


@cache
def _arrays(source: Source, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (n, 28, 28) and labels (n,)."""
    return _read_sample(split) if source == "sample" else _read_full(split)


def _read_sample(split: Split) -> tuple[np.ndarray, np.ndarray]:
    with Image.open(SAMPLE) as image:
        sheet = np.asarray(image.convert("L"))
    tiles = sheet.reshape(len(CLASSES), SIDE, SAMPLE_TRAIN + SAMPLE_TEST, SIDE).swapaxes(1, 2)
    tiles = tiles[:, :SAMPLE_TRAIN] if split == "train" else tiles[:, SAMPLE_TRAIN:]
    return tiles.reshape(-1, SIDE, SIDE), np.repeat(np.arange(len(CLASSES)), tiles.shape[1])


def _read_full(split: Split) -> tuple[np.ndarray, np.ndarray]:
    prefix = "train" if split == "train" else "t10k"
    pixels = _read_idx(_folder() / f"{prefix}-images-idx3-ubyte.gz", offset=16)
    return pixels.reshape(-1, SIDE, SIDE), _read_idx(_folder() / f"{prefix}-labels-idx1-ubyte.gz", offset=8)


def _read_idx(path: Path, offset: int) -> np.ndarray:
    """The bytes after the header of an IDX file."""
    if not path.is_file():
        raise MissingExtraError(
            f"{path} is missing. Install Debian's package dataset-fashion-mnist, or name the folder that holds "
            f"Fashion-MNIST's four IDX files in {VARIABLE}."
        )
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise CorruptWeightsError(
            f"{path} is not a readable gzip file: {error}. Install the data set again."
        ) from error
    count = int.from_bytes(content[4:8], "big")
    expected = count * (SIDE * SIDE if offset == 16 else 1)
    if len(content) - offset != expected:
        raise CorruptWeightsError(
            f"{path}: expected {expected} bytes after its header, found {len(content) - offset}. "
            "Install the data set again."
        )
    return np.frombuffer(content, np.uint8, offset=offset)


def _folder() -> Path:
    return Path(os.environ.get(VARIABLE) or INSTALLED)
