"""A problem with strangers for tests: woven patches of many kinds, of which a small ViT learns only the first few.

Every kind is drawn from one generator, so known classes and strangers are exchangeable.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tests.toy import SIZE, train_model

KNOWN, STRANGERS = 12, 24
CLASSES = tuple(f"weave {number:02}" for number in range(KNOWN))
_KINDS = 900
"""Seeds the looks of the kinds: kind k has the numbers of seed `_KINDS + k`."""


def patch(kind: int, rng: np.random.Generator) -> Image.Image:
    """Two crossing waves in two hues, whose directions, lengths and hues belong to the kind, with noise and phases."""
    own = np.random.default_rng(_KINDS + kind)
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    pixels = np.full((SIZE, SIZE, 3), 0.5)
    for _ in range(2):
        angle, length, hue = own.uniform(0, np.pi), own.uniform(4, 12), own.uniform(-1, 1, 3)
        wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / length + rng.uniform(0, 6.28))
        pixels += 0.15 * wave[..., None] * hue + 0.1 * hue
    pixels = pixels * rng.uniform(0.85, 1.15) + rng.normal(0, 0.1, (SIZE, SIZE, 3))
    return Image.fromarray((255 * pixels.clip(0, 1)).astype(np.uint8))


def noise(kind: int, rng: np.random.Generator) -> Image.Image:
    """What is of another kind altogether: grey grains as coarse as the number says."""
    coarse = 1 + kind % 8
    grains = rng.normal(0.5, 0.25, (SIZE // coarse + 1, SIZE // coarse + 1)).repeat(coarse, 0).repeat(coarse, 1)
    return Image.fromarray((255 * grains[:SIZE, :SIZE].clip(0, 1)).astype(np.uint8)).convert("RGB")


def write(root: Path, kinds: Sequence[int], *, train: int = 12, test: int = 16, draw=patch, seed: int = 0) -> Path:
    """An image folder of kinds, named "weave NN"."""
    rng = np.random.default_rng(seed)
    for split, count in (("train", train), ("test", test)):
        for kind in kinds:
            folder = root / split / f"weave {kind:02}"
            folder.mkdir(parents=True)
            for number in range(count):
                draw(kind, rng).save(folder / f"{number}.png")
    return root


def write_model(folder: Path, *, steps: int = 160, seed: int = 0) -> Path:
    """A transformers ViT trained on fresh patches of the known kinds, saved with its preprocessor."""
    return train_model(folder, CLASSES, patch, steps=steps, seed=seed)
