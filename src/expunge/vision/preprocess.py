"""From pictures to what a model is given: resize, crop, rescale, normalise.

Always through transformers' PIL back end, so that a picture gives the same numbers whether or not torchvision
is installed.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from expunge.errors import CorruptWeightsError, DataError, ModelNotFoundError
from expunge.vision._quiet import quiet

FILE = "preprocessor_config.json"
LARGEST = 4096
"""Pixels of a side that a file may ask for."""
LONGEST = 100
"""Largest ratio of a picture's longer side to its shorter one; a mere line, resized, would fill the memory."""


@runtime_checkable
class Preprocess(Protocol):
    """Turns pictures into pixels a model can be given."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width that every picture is brought to."""
        ...

    def __call__(self, images: Sequence[Image.Image]) -> Float[Tensor, "n 3 h w"]:
        """Pixels of the pictures, in their order, on the CPU."""
        ...

    def save(self, folder: Path) -> None:
        """Writes what `load_preprocess` reads."""
        ...


class HFPreprocess:
    """A transformers image processor of the PIL kind.

    Attributes:
        processor: The image processor.
    """

    def __init__(self, processor: Any) -> None:
        self.processor = processor
        height, width = self([Image.new("RGB", (64, 64))]).shape[-2:]
        self._size = (height, width)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width that every picture is brought to."""
        return self._size

    def __call__(self, images: Sequence[Image.Image]) -> Float[Tensor, "n 3 h w"]:
        """Pixels of the pictures, in their order, on the CPU. Pictures of any mode are read as RGB.

        Raises:
            DataError: A picture is a mere line; see `LONGEST`.
        """
        return self.processor(images=as_rgb(images), return_tensors="pt")["pixel_values"]

    def save(self, folder: Path) -> None:
        """Writes `preprocessor_config.json`, which transformers itself can read."""
        with quiet():
            self.processor.save_pretrained(folder)


def as_rgb(images: Sequence[Image.Image]) -> list[Image.Image]:
    """The pictures in RGB, once it is sure that each can be resized.

    Raises:
        DataError: A picture is a mere line; see `LONGEST`.
    """
    for image in images:
        if max(image.size) > LONGEST * min(image.size):
            raise DataError(
                f"a picture of {image.width} x {image.height} pixels is a mere line: one side may be {LONGEST} times "
                "the other; cut it to what it shows, or leave it out"
            )
    return [image.convert("RGB") for image in images]


def standard_preprocess(
    size: int,
    mean: Sequence[float],
    std: Sequence[float],
    *,
    resize: int | tuple[int, int] | None = None,
    resample: Image.Resampling = Image.Resampling.BICUBIC,
) -> HFPreprocess:
    """The usual evaluation preprocessing: resize, crop the centre, scale to 0..1, normalise.

    Args:
        size: Side of the square, in pixels, that the model is given.
        mean: Mean of each channel on a scale from 0 to 1.
        std: Standard deviation of each channel on the same scale.
        resize: Before the crop, what the shorter side is brought to with the aspect ratio kept, or height and
            width whatever the aspect ratio. By default the shorter side becomes `size`.
        resample: How pixels are interpolated.
    """
    with quiet():
        from transformers import CLIPImageProcessorPil

        processor = CLIPImageProcessorPil(
            size=_size(size if resize is None else resize),
            crop_size={"height": size, "width": size},
            image_mean=list(mean),
            image_std=list(std),
            resample=resample,
        )
        return HFPreprocess(processor)


def load_preprocess(folder: Path) -> HFPreprocess:
    """Reads the image processor of a model directory.

    Raises:
        ModelNotFoundError: The directory has none.
        CorruptWeightsError: It cannot be read.
    """
    names = (FILE, "processor_config.json")
    if not any((folder / name).is_file() for name in names):
        raise ModelNotFoundError(
            f"Expected {folder} to hold {names[0]}, which says how pictures are prepared; it is missing. "
            "Copy it from where the model was published, or write it: standard_preprocess(...).save(folder)."
        )
    with quiet():
        from transformers import AutoImageProcessor

        try:
            processor = AutoImageProcessor.from_pretrained(folder, backend="pil", trust_remote_code=False)
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise CorruptWeightsError(f"The image processor in {folder} cannot be read: {error}") from error
        return HFPreprocess(processor)


def read_preprocess(path: Path) -> HFPreprocess:
    """Reads how pictures are prepared from a file of its own.

    Args:
        path: transformers' `preprocessor_config.json`, under any name, or JSON like
            `{"size": [224, 224], "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}`: height and width that
            every picture is resized to, whatever its aspect ratio, then mean and deviation of red, green and blue on a
            scale from 0 to 1.

    Raises:
        ModelNotFoundError: There is no such file.
        CorruptWeightsError: It says neither.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text)
    except FileNotFoundError as error:
        raise ModelNotFoundError(f"There is no file {path}, which shall say how pictures are prepared.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise CorruptWeightsError(
            f"{path}, which shall say how pictures are prepared, cannot be read: {error}"
        ) from error
    if isinstance(values, dict) and set(values) == {"size", "mean", "std"}:
        return _resized(path, values["size"], values["mean"], values["std"])
    with TemporaryDirectory() as folder:
        (Path(folder) / FILE).write_text(text, encoding="utf-8")
        try:
            return load_preprocess(Path(folder))
        except CorruptWeightsError as error:
            raise CorruptWeightsError(
                f"{path} says not how pictures are prepared. Expected a {FILE} of transformers, or size, mean and std."
            ) from error


def _resized(path: Path, size: Any, mean: Any, std: Any) -> HFPreprocess:
    """Resizes to a height and a width, scales to 0..1, normalises."""
    sides = isinstance(size, list) and len(size) == 2 and all(type(s) is int and 0 < s <= LARGEST for s in size)
    if not (sides and _three(mean) and _three(std) and all(value > 0 for value in std)):
        raise CorruptWeightsError(
            f'Expected {path} to hold "size": [h, w] of 1 to {LARGEST} pixels, and "mean" and "std" with three numbers '
            f"each, those of std above 0; it says {size!r:.80}, {mean!r:.80}, {std!r:.80}."
        )
    with quiet():
        from transformers import CLIPImageProcessorPil

        processor = CLIPImageProcessorPil(
            size=_size((size[0], size[1])),
            do_center_crop=False,
            image_mean=mean,
            image_std=std,
            resample=Image.Resampling.BICUBIC,
        )
        return HFPreprocess(processor)


def _three(values: Any) -> bool:
    numbers = isinstance(values, list) and len(values) == 3
    return numbers and all(type(value) in (int, float) and math.isfinite(value) for value in values)


def _size(resize: int | tuple[int, int]) -> dict[str, int]:
    if isinstance(resize, int):
        return {"shortest_edge": resize}
    return {"height": resize[0], "width": resize[1]}
