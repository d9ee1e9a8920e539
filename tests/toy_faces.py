"""A small embedder for tests: a tiny DINOv2 that tells stripes of many hues and directions apart, "people" all of them.

It is trained on the first `SEEN` people with a cosine loss, whose classifier is then thrown away.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

SIZE, SEEN, ENROLLED = 32, 12, 10
PEOPLE = tuple(f"p{number:02}" for number in range(36))
"""The first 10 are enrolled, the first 12 were trained on, the others are strangers to everybody."""


def face(person: int, rng: np.random.Generator) -> Image.Image:
    """Stripes whose direction and two hues belong to the person, with noise, a random phase and brightness."""
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    own = np.random.default_rng(1000 + person)
    angle, first, second = own.uniform(0, np.pi), own.uniform(0.1, 0.9, 3), own.uniform(0.1, 0.9, 3)
    wave = 0.5 + 0.5 * np.sin((x * np.cos(angle) + y * np.sin(angle)) * own.uniform(0.4, 1.0) + rng.uniform(0, 6.28))
    pixels = wave[..., None] * first + (1 - wave[..., None]) * second
    pixels = pixels * rng.uniform(0.8, 1.2) + rng.normal(0, 0.08, (SIZE, SIZE, 3))
    return Image.fromarray((255 * pixels.clip(0, 1)).astype(np.uint8))


def write_people(root: Path, people: Sequence[int], *, train: int = 10, test: int = 6, seed: int = 0) -> Path:
    """A folder `root/train/<person>/*.png`, `root/test/<person>/*.png`."""
    rng = np.random.default_rng(seed)
    for split, count in (("train", train), ("test", test)):
        for person in people:
            folder = root / split / PEOPLE[person]
            folder.mkdir(parents=True)
            for number in range(count):
                face(person, rng).save(folder / f"{number}.png")
    return root


def write_backbone(folder: Path, *, steps: int = 60, seed: int = 0) -> Path:
    """A `Dinov2Model`, saved with its preprocessor."""
    from transformers import Dinov2Config, Dinov2Model
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    torch.manual_seed(seed)
    config = Dinov2Config(
        hidden_size=48, num_hidden_layers=3, num_attention_heads=4, mlp_ratio=2, image_size=SIZE, patch_size=8
    )
    model, directions = Dinov2Model(config), torch.nn.Parameter(torch.randn(SEEN, 48))
    processor = ViTImageProcessorPil(size={"height": SIZE, "width": SIZE})
    rng = np.random.default_rng(seed + 1)
    optimizer = torch.optim.AdamW([*model.parameters(), directions], lr=2e-3)
    for _ in range(steps):
        labels = rng.integers(0, SEEN, 32)
        pixels = processor(images=[face(int(one), rng) for one in labels], return_tensors="pt")["pixel_values"]
        embedding = functional.normalize(model(pixels).last_hidden_state[:, 0], dim=1)
        loss = functional.cross_entropy(
            16 * embedding @ functional.normalize(directions, dim=1).T, torch.tensor(labels)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
