"""From pictures to what a detector is given, through transformers' own processors.

Where a processor keeps the shape of pictures and pads them to one size, the padding is marked in a fourth channel, 1
where there is a picture. Boxes are shares of the picture, not of the padding, as in the published DETR.
"""

from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from expunge.errors import ModelError
from expunge.vision._quiet import quiet
from expunge.vision.preprocess import as_rgb, load_preprocess


class DetectionPreprocess:
    """A transformers image processor for detection, of the PIL kind.

    Attributes:
        processor: The image processor.
    """

    def __init__(self, processor: Any) -> None:
        """Takes over a processor.

        Raises:
            ModelError: It crops pictures, so that objects would be lost and boxes lie elsewhere.
        """
        if getattr(processor, "do_center_crop", False):
            raise ModelError(
                f"{type(processor).__name__} crops pictures; a detector needs them whole. Use fixed_preprocess(...), "
                "or the image processor that the detector was published with."
            )
        self.processor = processor
        height, width = self([Image.new("RGB", (64, 64))]).shape[-2:]
        self._size = (height, width)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width that square pictures are brought to, and all pictures where the processor fixes it."""
        return self._size

    def __call__(self, images: Sequence[Image.Image]) -> Float[Tensor, "n ch h w"]:
        """Pixels of the pictures, in their order, on the CPU; with a fourth channel where some are padded."""
        with quiet():
            made = self.processor(images=as_rgb(images), return_tensors="pt")
        pixels, mask = made["pixel_values"], made.get("pixel_mask")
        if mask is None or bool(mask.all()):
            return pixels
        return torch.cat([pixels, mask[:, None].to(pixels.dtype)], dim=1)

    def save(self, folder: Path) -> None:
        """Writes `preprocessor_config.json`, which transformers itself can read."""
        with quiet():
            self.processor.save_pretrained(folder)


def fixed_preprocess(
    height: int,
    width: int,
    mean: Sequence[float],
    std: Sequence[float],
    resample: Image.Resampling = Image.Resampling.BILINEAR,
) -> DetectionPreprocess:
    """Brings every picture to one size, whatever its shape; so what a backbone makes of it can be kept.

    Args:
        height: In pixels.
        width: In pixels.
        mean: Mean of each channel on a scale from 0 to 1.
        std: Standard deviation of each channel on the same scale.
        resample: How pixels are interpolated.
    """
    with quiet():
        from transformers import DetrImageProcessorPil

        processor = DetrImageProcessorPil(
            size={"height": height, "width": width},
            image_mean=list(mean),
            image_std=list(std),
            resample=resample,
            do_pad=False,
        )
    return DetectionPreprocess(processor)


def one_size(preprocess: DetectionPreprocess) -> DetectionPreprocess:
    """The same preprocessing, pictures of all shapes padded to one size, so that what a backbone makes can be kept.

    Padding is marked as such, so a detector that takes a mask finds nearly the same, as it does for a picture that is
    padded to the largest of a batch. Returned as it is where pictures come to one size already, or are not padded.
    """
    processor = copy(preprocess.processor)
    longest = getattr(processor.size, "longest_edge", None)
    if longest is None or not getattr(processor, "do_pad", False):
        return preprocess
    processor.pad_size = {"height": longest, "width": longest}
    return DetectionPreprocess(processor)


def load_detection_preprocess(folder: Path) -> DetectionPreprocess:
    """Reads the image processor of a model directory.

    Raises:
        ModelNotFoundError: The directory has none.
        CorruptWeightsError: It cannot be read.
        ModelError: It crops pictures.
    """
    return DetectionPreprocess(load_preprocess(folder).processor)
