"""A small real problem for tests: coloured stripes in six classes, and a small ViT that learns to tell them apart."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

CLASSES = ("amber", "blue", "coral", "dune", "elm", "fern")
SIZE, TRAIN, TEST = 32, 10, 6


def stripes(label: int, rng: np.random.Generator) -> Image.Image:
    """Stripes whose direction and hue belong to the class, with noise, a random phase and brightness."""
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    angle = np.pi * label / len(CLASSES)
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 0.8 + rng.uniform(0, 6.28))
    hue = 0.5 + 0.3 * np.cos(2 * np.pi * (label / len(CLASSES) + np.arange(3) / 3))
    pixels = (0.55 + 0.3 * wave[..., None]) * hue * rng.uniform(0.8, 1.2) + rng.normal(0, 0.08, (SIZE, SIZE, 3))
    return Image.fromarray((255 * pixels.clip(0, 1)).astype(np.uint8))


def write_images(root: Path, *, train: int = TRAIN, test: int = TEST, seed: int = 0) -> Path:
    """An image folder `root/train/<class>/*.png`, `root/test/<class>/*.png`."""
    rng = np.random.default_rng(seed)
    for split, count in (("train", train), ("test", test)):
        for label, name in enumerate(CLASSES):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                stripes(label, rng).save(folder / f"{number}.png")
    return root


def write_model(folder: Path, *, steps: int = 150, seed: int = 0) -> Path:
    """A transformers ViT trained on fresh stripes, saved with its preprocessor; above 95 % on new ones."""
    return train_model(folder, CLASSES, stripes, steps=steps, seed=seed)


def train_model(
    folder: Path, classes: Sequence[str], draw: Callable[[int, Any], Image.Image], *, steps: int, seed: int
) -> Path:
    """A small transformers ViT trained on fresh pictures that `draw` makes of a label, saved with its preprocessor."""
    from transformers import ViTConfig, ViTForImageClassification
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    torch.manual_seed(seed)
    config = ViTConfig(
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=96,
        image_size=SIZE,
        patch_size=8,
        id2label=dict(enumerate(classes)),
        label2id={name: label for label, name in enumerate(classes)},
    )
    model = ViTForImageClassification(config)
    processor = ViTImageProcessorPil(size={"height": SIZE, "width": SIZE})
    rng = np.random.default_rng(seed + 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(steps):
        labels = rng.integers(0, len(classes), 24)
        images = [draw(int(label), rng) for label in labels]
        pixels = processor(images=images, return_tensors="pt")["pixel_values"]
        loss = functional.cross_entropy(model(pixels).logits, torch.from_numpy(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
