"""Backdrops: textures of two colours and their mixtures, coarse and fine, no two of them the same."""

from random import Random

import numpy as np
from PIL import Image

CELLS = (2, 4, 8, 16, 32, 64)
"""Random values along a side, from the coarsest layer of a texture to its finest."""

ROUGHNESS = (0.35, 0.8)
"""Range of how strong each layer is beside the one before."""


def backdrop(random: Random, side: int) -> Image.Image:
    """A random texture, RGB, `side` × `side` pixels: value noise (Perlin, "An image synthesizer", 1985) in layers."""
    numbers = np.random.default_rng(random.getrandbits(64))
    roughness, total = random.uniform(*ROUGHNESS), np.zeros((side, side), np.float32)
    for layer, cells in enumerate(CELLS):
        coarse = Image.fromarray(numbers.standard_normal((cells, cells)).astype(np.float32))
        total += roughness**layer * np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC))
    share = 0.5 + (total - total.mean()) / (4 * total.std())
    dark, light = numbers.uniform(0, 160, 3), numbers.uniform(60, 255, 3)
    return Image.fromarray((dark + share.clip(0, 1)[..., None] * (light - dark)).astype(np.uint8))
