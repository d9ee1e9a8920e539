"""Pixels of a sample: an upright RGB image, or a tensor that is already prepared for the model."""

import io
from collections.abc import Iterator
from contextlib import contextmanager

from jaxtyping import Float
from PIL import Image, ImageOps
from torch import Tensor

from expunge.errors import DataError, UnreadableImageError

# Axes beginning with `_` are not compared between images: a list of images may hold many sizes.
Pixels = Image.Image | Float[Tensor, "_channels _height _width"]

LONGEST = 100
"""Largest ratio of an image's longer side to its shorter one."""

THUMBNAIL = 112
"""The most pixels of a thumbnail's side."""


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turns whatever goes wrong while an image is read into an error that names it.

    Args:
        what: Path or name of the image.

    Raises:
        UnreadableImageError: Something was raised inside.
    """
    try:
        yield
    except (DataError, MemoryError):  # clear already; the machine's trouble, not the image's
        raise
    except Exception as error:  # damaged bytes make Pillow's decoders raise nearly anything
        message = f"cannot read image {what}: {str(error) or type(error).__name__}; replace it or leave it out"
        raise UnreadableImageError(message) from error


def to_rgb(image: Image.Image) -> Image.Image:
    """An upright RGB copy of an image, detached from its file.

    EXIF orientation is applied, of several frames the first is taken, transparency is dropped, and 16-bit
    greys keep their upper 8 bits.

    Args:
        image: An opened Pillow image of any size and mode; it is not changed.

    Raises:
        ValueError: Pixels are 32-bit numbers, whose range is unknown, or the image is a mere line.
        PIL.Image.DecompressionBombError: There are more pixels than `PIL.Image.MAX_IMAGE_PIXELS`.
    """
    _check_size(image)  # before the pixels are decoded
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("I", "F"):
        raise ValueError(f"pixels are 32-bit numbers (mode {upright.mode}), save it with 8 or 16 bits")
    if upright.mode.startswith("I;16"):  # conversion to RGB would clip at 255 and leave a white image
        upright = upright.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if upright.has_transparency_data:  # a palette's transparency can only be read as RGBA
        upright = upright.convert("RGBA")
    return upright.convert("RGB")


def to_pixels(value: object, name: str) -> Pixels:
    """Takes what a data set object holds: Pillow images become RGB, prepared tensors stay as they are.

    Args:
        value: A Pillow image, or a float tensor of shape (channels, height, width).
        name: How to call it in an error.

    Raises:
        DataError: It is neither.
    """
    if isinstance(value, Image.Image):
        return to_rgb(value)
    if isinstance(value, Tensor) and value.is_floating_point() and value.ndim == 3:
        return value
    came = type(value).__name__
    if isinstance(value, Tensor):
        came = f"a {value.dtype} tensor of shape {tuple(value.shape)}"
    raise DataError(
        f"image {name} is {came}: expected a Pillow image, or a prepared float tensor of shape "
        "(channels, height, width); decode it, or prepare it in the data set's transform"
    )


def _check_size(image: Image.Image) -> None:
    """Pillow itself only warns between one and two times its limit."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise Image.DecompressionBombError(
            f"{image.width} x {image.height} pixels could be a decompression bomb, the limit is {limit} "
            "pixels (PIL.Image.MAX_IMAGE_PIXELS)"
        )
    if max(image.size) > LONGEST * min(image.size):
        raise ValueError(
            f"{image.width} x {image.height} pixels are a line, which would not fit into memory once it is resized to "
            f"a model's size with its shape kept; one side may be {LONGEST} times the other"
        )


def thumbnail(image: Pixels) -> bytes:
    """A small PNG."""
    small = as_picture(image)
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    small.save(buffer, "PNG")
    return buffer.getvalue()


def as_picture(image: Image.Image | Tensor) -> Image.Image:
    """A copy to look at. A prepared tensor is shown with its values stretched to the full range."""
    if not isinstance(image, Tensor):
        return image.copy()
    low, high = image.amin(), image.amax()
    pixels = (255 * (image - low) / (high - low).clamp(min=1e-6)).byte().movedim(0, -1)
    return Image.fromarray(pixels.expand(*pixels.shape[:2], 3).contiguous().numpy())
