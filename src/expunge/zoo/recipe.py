"""Training of small models from scratch: the zoo's checkpoints and the oracles of benchmarks alike."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from expunge.data import Images
from expunge.errors import DataError
from expunge.vision import HFPreprocess, VisionModel, standard_preprocess
from expunge.zoo._small_vit import SIDE

MEAN, STD = 0.5, 0.5


@runtime_checkable
class Buildable(Protocol):
    """Settings of a model: a frozen dataclass, whose fields are part of the recipe."""

    def build(self, classes: int) -> nn.Module:
        """An untrained classifier of 3 × 28 × 28 pixels, random by torch's own generator.

        It returns logits, as a tensor or as `.logits` like transformers.
        """
        ...


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of a training with AdamW and a one-cycle schedule.

    Attributes:
        shape: Family and size of the model.
        epochs: Passes over the images.
        batch_size: Images a step.
        lr: Highest learning rate.
        weight_decay: AdamW's, decoupled.
        warmup: Fraction of the steps in which the rate rises.
        mirror: Whether each image is mirrored with probability one half.
        shift: Each image is moved by up to this many pixels in both directions.
        smoothing: Label smoothing of the cross-entropy.
    """

    shape: Buildable
    epochs: int
    batch_size: int = 128
    lr: float = 4e-3
    weight_decay: float = 0.05
    warmup: float = 0.15
    mirror: bool = False
    shift: int = 0
    smoothing: float = 0.0


def train(
    recipe: Recipe,
    images: Images,
    *,
    seed: int,
    start: nn.Module | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> nn.Module:
    """Trains a model on grey images of 28 × 28 pixels.

    Args:
        recipe: The settings.
        images: Training images; classes without any simply never occur as a label.
        seed: Seeds the start, the order and the augmentation.
        start: Goes on from this one, which is trained in place, instead of from scratch.
        report: Told the epochs done and to do.

    Raises:
        DataError: An image is not 28 × 28.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = recipe.shape.build(len(images.classes)) if start is None else start
    pixels, labels = grey(images), torch.tensor(images.labels, dtype=torch.int64)
    per_epoch = len(images) // recipe.batch_size
    module.requires_grad_(True).train()
    optimizer = torch.optim.AdamW(module.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.lr, total_steps=recipe.epochs * per_epoch, pct_start=recipe.warmup
    )
    for epoch in range(recipe.epochs):
        order = torch.randperm(len(images), generator=generator)[: per_epoch * recipe.batch_size]
        for batch in order.split(recipe.batch_size):
            logits = _logits(module(normalised(_moved(pixels[batch], recipe, generator))))
            loss = functional.cross_entropy(logits, labels[batch], label_smoothing=recipe.smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        report(epoch + 1, recipe.epochs)
    return module.eval().requires_grad_(False)


def wrap(module: nn.Module, classes: tuple[str, ...], name: str, architecture: str | None = None) -> VisionModel:
    """The module as a `VisionModel` with the preprocessing it was trained with."""
    return VisionModel(module, classes, preprocess=preprocess(), name=name, architecture=architecture)


def preprocess() -> HFPreprocess:
    """Grey values from 0 to 255 become -1 to 1, the same in three channels."""
    return standard_preprocess(SIDE, mean=(MEAN,) * 3, std=(STD,) * 3)


def grey(images: Images) -> UInt8[Tensor, "n 28 28"]:
    """The images as one tensor of grey values.

    Raises:
        DataError: An image is not 28 × 28.
    """
    pictures = []
    for sample in images.samples:
        picture = sample.load()
        if not isinstance(picture, Image.Image) or picture.size != (SIDE, SIDE):
            raise DataError(f"expected {sample.name} to be a picture of {SIDE} × {SIDE} pixels, as this model takes")
        pictures.append(np.asarray(picture.convert("L")))
    return torch.from_numpy(np.stack(pictures))


def normalised(pixels: UInt8[Tensor, "n 28 28"]) -> Float[Tensor, "n 3 28 28"]:
    """Pixels as `preprocess` makes them of the same pictures."""
    return ((pixels.float() / 255 - MEAN) / STD)[:, None].expand(-1, 3, -1, -1)


def _logits(returned: Any) -> Float[Tensor, "n classes"]:
    return returned if isinstance(returned, Tensor) else returned.logits


def _moved(pixels: UInt8[Tensor, "n 28 28"], recipe: Recipe, generator: torch.Generator) -> UInt8[Tensor, "n 28 28"]:
    """The images mirrored and shifted at random, as the recipe says; what is moved out is lost."""
    if recipe.mirror:
        chosen = torch.rand(len(pixels), generator=generator) < 0.5
        pixels = torch.where(chosen[:, None, None], pixels.flip(-1), pixels)
    if recipe.shift:
        padded = functional.pad(pixels, (recipe.shift,) * 4)
        corner = torch.randint(2 * recipe.shift + 1, (2, len(pixels)), generator=generator)
        rows, columns = (corner[:, :, None] + torch.arange(SIDE)).unbind()
        pixels = padded[torch.arange(len(pixels))[:, None, None], rows[:, :, None], columns[:, None, :]]
    return pixels
