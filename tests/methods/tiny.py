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


def resnet() -> nn.Module:
    """With residual connections, batch norms, and activations after the sums."""
    config = transformers.ResNetConfig(
        embedding_size=12, hidden_sizes=[16, 24], depths=[2, 2], layer_type="basic", **LABELS
    )
    module = transformers.ResNetForImageClassification(config)
    module.resnet.embedder.add_module("pooler", nn.Identity())  # 8 × 8 positions in the first stage, not 4 × 4
    return module


def mobilenet() -> nn.Module:
    """Inverted residuals, whose sums have no activation, and a convolution by itself at the end."""
    return nn.Sequential(
        *(nn.Conv2d(3, 12, 3, stride=2, padding=1), nn.BatchNorm2d(12), nn.ReLU6()),
        *(Inverted(12, 12), Inverted(12, 16, stride=2), Inverted(16, 16), Inverted(16, 16)),
        *(nn.Conv2d(16, 32, 1), nn.BatchNorm2d(32), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(32, len(CLASSES)),
    )


class Inverted(nn.Module):
    """MobileNetV2's block: expand, filter each channel, project; a residual connection where shapes allow."""

    def __init__(self, width: int, wider: int, stride: int = 1) -> None:
        super().__init__()
        inner = 3 * width
        self.body = nn.Sequential(
            *(nn.Conv2d(width, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU6()),
            *(nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False), nn.BatchNorm2d(inner), nn.ReLU6()),
            *(nn.Conv2d(inner, wider, 1, bias=False), nn.BatchNorm2d(wider)),
        )
        self.residual = stride == 1 and width == wider

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.residual else self.body(x)


def plain_cnn() -> nn.Module:
    """No residual connection at all."""

    def part(width: int, wider: int, stride: int) -> list[nn.Module]:
        convolution = nn.Conv2d(width, wider, 3, stride, 1, bias=False)
        return [convolution, nn.BatchNorm2d(wider), nn.ReLU(inplace=True)]

    parts = (*part(3, 16, 2), *part(16, 16, 1), *part(16, 24, 2), *part(24, 32, 1))
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, len(CLASSES)))


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
