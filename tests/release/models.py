"""Tiny random models of several architectures, and edits for them."""

from collections.abc import Callable
from typing import Any

import torch
from transformers import (
    ConvNextConfig,
    ConvNextForImageClassification,
    Dinov2Config,
    Dinov2Model,
    SwinConfig,
    SwinForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)

from expunge.adapters import Edit, LowRank
from expunge.vision import CosFaceHead, CosineClassifier, HeadedBackbone, SoftmaxHead, VisionModel, standard_preprocess
from tests.vision.conformance import randomise

CLASSES = ("ant", "bee", "cat", "dog", "eel")
SIDE = 32
LABELS: dict[str, Any] = {"id2label": dict(enumerate(CLASSES)), "label2id": {name: i for i, name in enumerate(CLASSES)}}


def vit() -> torch.nn.Module:
    sizes: dict[str, Any] = {
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 48,
    }
    return ViTForImageClassification(ViTConfig(**sizes, image_size=SIDE, patch_size=8, **LABELS))


def swin() -> torch.nn.Module:
    sizes: dict[str, Any] = {"embed_dim": 16, "depths": [2], "num_heads": [2], "window_size": 4}
    return SwinForImageClassification(SwinConfig(**sizes, image_size=SIDE, patch_size=2, **LABELS))


def convnext() -> torch.nn.Module:
    sizes: dict[str, Any] = {"hidden_sizes": [8, 16], "depths": [1, 2], "num_stages": 2}
    return ConvNextForImageClassification(ConvNextConfig(**sizes, image_size=SIDE, **LABELS))


def dinov2() -> torch.nn.Module:
    sizes: dict[str, Any] = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    backbone = Dinov2Model(Dinov2Config(**sizes, image_size=SIDE, patch_size=8))
    return HeadedBackbone(backbone, "cls", CosineClassifier(24, len(CLASSES)))


MAKERS: dict[str, Callable[[], torch.nn.Module]] = {
    "vit": vit,
    "dinov2-cosface": dinov2,
    "swin": swin,
    "convnext": convnext,
}


def tiny(kind: str = "vit", seed: int = 0) -> VisionModel:
    """A random model of a kind; weights are large enough for decisions to differ from image to image."""
    torch.manual_seed(seed)
    module = randomise(MAKERS[kind](), seed)
    preprocess = standard_preprocess(SIDE, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    head = CosFaceHead() if kind == "dinov2-cosface" else SoftmaxHead()
    return VisionModel(module, CLASSES, preprocess=preprocess, name=kind, head=head)


def an_edit(model: VisionModel, *, masked: tuple[int, ...] = (1,), seed: int = 3) -> Edit:
    """A low-rank change of the first FFN layer of the last block, and classes struck from the head."""
    name = model.blocks[-1].linears[0]
    layer, generator = model.linear(name), torch.Generator().manual_seed(seed)
    a = torch.randn(2, layer.in_features, generator=generator)
    b = torch.randn(layer.out_features, 2, generator=generator)
    return Edit(deltas={name: LowRank(a, b, 0.5)}, masked=masked)


def pixels(n: int = 3) -> torch.Tensor:
    return torch.randn(n, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(5))
