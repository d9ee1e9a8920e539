"""Models of several families, small enough to be trained in a second, on images that are a template and noise."""

import functools
from collections.abc import Callable
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from expunge.data import Splits, from_torch
from expunge.vision import (
    CosFaceHead,
    CosineClassifier,
    HeadedBackbone,
    Preprocess,
    SoftmaxHead,
    VisionModel,
    standard_preprocess,
)

SIDE, TRAIN, TEST = 16, 12, 20
LIKENESS = 0.5
NOISE = 1.5
CLASSES = tuple("abcdefghij")
LABELS = {"id2label": dict(enumerate(CLASSES)), "label2id": {name: i for i, name in enumerate(CLASSES)}}

PLAIN: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "image_size": SIDE,
    "patch_size": 4,
    "initializer_range": 0.1,
}


def _templates() -> Tensor:
    """A texture for each class; those of classes 0 and 1, 2 and 3, and so on are much alike."""
    generator = torch.Generator().manual_seed(5)
    pairs, own = (torch.randn(n, 3, 4, 4, generator=generator) for n in (len(CLASSES) // 2, len(CLASSES)))
    return (pairs.repeat_interleave(2, dim=0) + LIKENESS * own).repeat(1, 1, SIDE // 4, SIDE // 4)


TEMPLATES = _templates()


def draw_images(per_class: int, seed: int) -> tuple[Tensor, Tensor]:
    """Images of all classes in turn, prepared, and their labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(len(CLASSES)).repeat(per_class)
    return TEMPLATES[labels] + NOISE * torch.randn(len(labels), 3, SIDE, SIDE, generator=generator), labels


def template_splits() -> Splits:
    train, test = (list(zip(*draw_images(n, seed), strict=True)) for n, seed in ((TRAIN, 1), (TEST, 2)))
    return from_torch(train, test, CLASSES)


def vit() -> nn.Module:
    return transformers.ViTForImageClassification(transformers.ViTConfig(**PLAIN, **LABELS))


def swin() -> nn.Module:
    config = transformers.SwinConfig(
        image_size=SIDE,
        patch_size=2,
        embed_dim=24,
        depths=[2, 2],
        num_heads=[2, 2],
        window_size=4,
        mlp_ratio=2.0,
        drop_path_rate=0.0,
        initializer_range=0.1,
        **LABELS,
    )
    return transformers.SwinForImageClassification(config)


def swin_v2() -> nn.Module:
    config = transformers.Swinv2Config(
        image_size=SIDE,
        patch_size=2,
        embed_dim=24,
        depths=[1, 2],
        num_heads=[2, 2],
        window_size=4,
        mlp_ratio=2.0,
        drop_path_rate=0.0,
        **LABELS,
    )
    return transformers.Swinv2ForImageClassification(config)


def convnext() -> nn.Module:
    config = transformers.ConvNextConfig(
        num_stages=2,
        hidden_sizes=[24, 32],
        depths=[2, 2],
        patch_size=2,
        layer_scale_init_value=0.5,
        initializer_range=0.1,
        **LABELS,
    )
    return transformers.ConvNextForImageClassification(config)


def dinov2() -> nn.Module:
    return transformers.Dinov2ForImageClassification(transformers.Dinov2Config(**PLAIN, **LABELS))


def cosine_vit() -> nn.Module:
    """With a CosFace head."""
    backbone = transformers.ViTModel(transformers.ViTConfig(**PLAIN), add_pooling_layer=False)
    return HeadedBackbone(backbone, "cls", CosineClassifier(PLAIN["hidden_size"], len(CLASSES), 16.0))


def mean_vit() -> nn.Module:
    """Its embedding is the mean over all tokens but the first, with no norm between."""
    backbone = transformers.ViTModel(transformers.ViTConfig(**PLAIN), add_pooling_layer=False)
    backbone.add_module("layernorm", nn.Identity())
    return HeadedBackbone(backbone, "mean", nn.Linear(PLAIN["hidden_size"], len(CLASSES)))


def preprocess(side: int = SIDE) -> Preprocess:
    return standard_preprocess(side, (0.5,) * 3, (0.5,) * 3)


def wrapped(module: nn.Module) -> VisionModel:
    cosine = isinstance(module, HeadedBackbone) and isinstance(module.classifier, CosineClassifier)
    head = CosFaceHead(scale=16.0, margin=0.1) if cosine else SoftmaxHead()
    return VisionModel(module, CLASSES, preprocess=preprocess(), head=head)


@functools.cache
def trained(build: Callable[[], nn.Module], steps: int = 30) -> VisionModel:
    """Trained on fresh images; above 90 % on new ones. Shared by all tests: leave it as you found it."""
    torch.manual_seed(0)
    model = wrapped(build())
    parameters = list(model.module.requires_grad_(True).parameters())
    optimizer = torch.optim.AdamW(parameters, lr=3e-3)
    for step in range(steps):
        images, labels = draw_images(3, 100 + step)
        loss = model.loss(model(images).logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.module.requires_grad_(False)
    return model
