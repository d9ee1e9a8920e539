"""Vision transformers with random weights, and random images for them: time does not depend on what they know."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.data import Images
from expunge.vision import VisionModel, standard_preprocess


@dataclass(frozen=True, slots=True)
class VitShape:
    """Size of a transformer: width, blocks, attention heads, side of an image and of a patch in pixels."""

    width: int
    blocks: int
    heads: int
    side: int = 224
    patch: int = 16


BASE, LARGE = VitShape(768, 12, 12), VitShape(1024, 24, 16)
"""ViT-B/16 and ViT-L/16 (Dosovitskiy et al., arXiv 2010.11929)."""
TINY = VitShape(32, 2, 2, side=32)


@dataclass(frozen=True, slots=True)
class RandomSample:
    """An image of normal noise, always the same for the same number."""

    number: int
    side: int

    @property
    def name(self) -> str:
        """Its number."""
        return f"random/{self.number}"

    def load(self) -> Float[Tensor, "3 side side"]:
        """Prepared pixels."""
        return torch.randn(3, self.side, self.side, generator=torch.Generator().manual_seed(self.number))


def random_vit(shape: VitShape, classes: int, *, name: str = "vit") -> VisionModel:
    """A transformers ViT whose FFNs are four times as wide as itself; the same weights every time."""
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=shape.width,
        num_hidden_layers=shape.blocks,
        num_attention_heads=shape.heads,
        intermediate_size=4 * shape.width,
        image_size=shape.side,
        patch_size=shape.patch,
        id2label=dict(enumerate(class_names(classes))),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = ViTForImageClassification(config)
    preprocess = standard_preprocess(shape.side, mean=(0.5,) * 3, std=(0.5,) * 3)
    return VisionModel(module, class_names(classes), preprocess=preprocess, name=name)


def random_images(shape: VitShape, classes: int, counts: dict[int, int]) -> Images:
    """Images of the classes in `counts`, index -> how many, for a model of so many classes."""
    labels = tuple(label for label, count in counts.items() for _ in range(count))
    samples = tuple(RandomSample(number, shape.side) for number in range(len(labels)))
    return Images(samples, labels, class_names(classes))


def class_names(classes: int) -> tuple[str, ...]:
    """Names that sort as they are counted."""
    return tuple(f"class-{number:04d}" for number in range(classes))
