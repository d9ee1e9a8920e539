"""A small problem in which a model that never saw a class cannot tell it: faint marks under noise.

Five classes each have a mark, a faint pattern that repeats in every patch and is as often added as taken away; the
sixth has none. As the sign is random, a class's mean image is plain noise and no linear view of the pixels tells the
classes apart. A model has to learn a mark to see it, and images with a mark that it never learnt look to it like those
of the sixth class.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from expunge.data import Images
from expunge.vision import SoftmaxHead, VisionModel, standard_preprocess
from expunge.vision.heads import Head

CLASSES = ("anvil", "brook", "cedar", "delta", "ember", "blank")
SIDE, PATCH, WIDTH, STRENGTH = 16, 4, 24, 2.5


def draw(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Pixels of fresh images of some classes, (n, 3, 16, 16); labels beyond the classes are of marks nobody learns."""
    size = 3 * PATCH * PATCH
    basis = torch.linalg.qr(torch.randn(size, size, generator=torch.Generator().manual_seed(99))).Q
    marks = basis.clone()
    marks[len(CLASSES) - 1] = 0
    signs = torch.randint(0, 2, (len(labels), 1), generator=generator) * 2.0 - 1
    tile = (STRENGTH * signs * marks[labels]).view(-1, 3, PATCH, PATCH).repeat(1, 1, SIDE // PATCH, SIDE // PATCH)
    return tile + torch.randn(tile.shape, generator=generator)


@dataclass(frozen=True, eq=False)
class Marked:
    """One image in memory."""

    name: str
    pixels: Tensor

    def load(self) -> Tensor:
        return self.pixels


def make_images(per_class: int, seed: int) -> Images:
    """So many images of each class."""
    labels = torch.arange(len(CLASSES)).repeat_interleave(per_class)
    pixels = draw(labels, torch.Generator().manual_seed(seed))
    samples = tuple(Marked(f"{seed}/{i}", image) for i, image in enumerate(pixels))
    return Images(samples, tuple(labels.tolist()), CLASSES)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.ffn = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH))

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.ffn(self.norm(hidden))


class MarkReader(nn.Module):
    """Patches, three blocks without attention, the mean token and a classifier."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, PATCH, PATCH)
        self.blocks = nn.ModuleList(Block() for _ in range(3))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = head

    def forward(self, pixels: Tensor) -> Tensor:
        hidden = self.patches(pixels).flatten(2).transpose(1, 2)
        for block in self.blocks:
            hidden = block(hidden)
        return self.head(self.norm(hidden.mean(1)))


def train(classes: Sequence[int], *, seed: int, steps: int = 150) -> VisionModel:
    """A model trained on fresh images of some classes; its logits are for all six."""
    torch.manual_seed(seed)
    module = MarkReader(nn.Linear(WIDTH, len(CLASSES)))
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3)
    for _ in range(steps):
        labels = torch.tensor(classes)[torch.randint(0, len(classes), (32,), generator=generator)]
        loss = functional.cross_entropy(module(draw(labels, generator)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return wrap(module)


def wrap(module: nn.Module, head: Head = SoftmaxHead()) -> VisionModel:  # noqa: B008 - a frozen value
    """The face that the package works with."""
    preprocess = standard_preprocess(SIDE, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    return VisionModel(module, CLASSES, preprocess=preprocess, head=head, name="marks")
