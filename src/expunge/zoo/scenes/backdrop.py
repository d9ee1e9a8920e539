"""Photographs of places: views into panoramas, as a camera with a given heading, pitch and field of view sees them."""

import math
from random import Random

import numpy as np
from PIL import Image

from expunge.zoo.scenes.cutouts import places

HEADING, PITCH, FIELD = (-180.0, 180.0), (-55.0, 8.0), (55.0, 100.0)
"""Ranges in degrees; down as far as the ground, up as far as the horizon in the lower half."""

BRIGHTNESS = (0.75, 1.2)


def backdrop(random: Random, split: str, side: int) -> Image.Image:
    """A random view of a random place of the split, RGB, `side` × `side` pixels.

    A panorama has 512 pixels all around, so what is far off is somewhat out of focus, as behind a near object.
    """
    panorama = random.choice(places(split))
    seen = view(panorama, random.uniform(*HEADING), random.uniform(*PITCH), random.uniform(*FIELD), side)
    gain = random.uniform(*BRIGHTNESS)
    return seen.point([min(255, round(level * gain)) for level in range(256)] * 3)


def view(panorama: Image.Image, heading: float, pitch: float, field: float, side: int) -> Image.Image:
    """The rectilinear view into an equirectangular panorama.

    Args:
        panorama: RGB; columns are longitudes from -180 to 180 degrees, rows latitudes from 90 to -90.
        heading: Longitude of the picture's centre, in degrees.
        pitch: Latitude of the picture's centre, in degrees.
        field: Horizontal and vertical field of view, in degrees.
        side: Width and height of the picture in pixels.
    """
    across = math.tan(math.radians(field) / 2) * (2 * (np.arange(side) + 0.5) / side - 1)
    x, y = np.meshgrid(across, -across)
    sine, cosine = math.sin(math.radians(pitch)), math.cos(math.radians(pitch))
    forward, up = cosine - y * sine, sine + y * cosine
    longitude = np.arctan2(x, forward) + math.radians(heading)
    latitude = np.arctan2(up, np.hypot(x, forward))
    pixels = np.asarray(panorama, np.float32)
    height, width = pixels.shape[:2]
    column = (longitude / (2 * math.pi) + 0.5) * width - 0.5
    row = np.clip((0.5 - latitude / math.pi) * height - 0.5, 0, height - 1)
    return Image.fromarray(np.rint(_bilinear(pixels, row, column)).astype(np.uint8))


def _bilinear(pixels: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Values between pixels; columns wrap around, rows end at the poles."""
    height, width = pixels.shape[:2]
    top, left = np.floor(row).astype(int), np.floor(column).astype(int)
    down, right = (row - top)[..., None], (column - left)[..., None]
    below, left, beside = np.minimum(top + 1, height - 1), left % width, (left + 1) % width
    upper = pixels[top, left] * (1 - right) + pixels[top, beside] * right
    lower = pixels[below, left] * (1 - right) + pixels[below, beside] * right
    return upper * (1 - down) + lower * down
