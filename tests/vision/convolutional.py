"""Small convolutional networks: of transformers with random weights, and written by hand, as users write them."""

from typing import Any

import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional

CLASSES = ("ant", "bee", "cat", "dog", "eel")


def labels(classes: tuple[str, ...]) -> dict[str, Any]:
    return {"id2label": dict(enumerate(classes)), "label2id": {name: i for i, name in enumerate(classes)}}


def resnet(layer: str = "basic", classes: tuple[str, ...] = CLASSES, **settings: Any) -> nn.Module:
    shape = {"embedding_size": 8, "hidden_sizes": [8, 12], "depths": [1, 2], **settings}
    return transformers.ResNetForImageClassification(
        transformers.ResNetConfig(layer_type=layer, **shape, **labels(classes))
    )


def regnet(classes: tuple[str, ...] = CLASSES) -> nn.Module:
    config = transformers.RegNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 2], groups_width=4, **labels(classes)
    )
    return transformers.RegNetForImageClassification(config)


def mobilenet_v2(classes: tuple[str, ...] = CLASSES) -> nn.Module:
    config = transformers.MobileNetV2Config(
        depth_multiplier=0.1, min_depth=4, image_size=32, output_stride=8, **labels(classes)
    )
    return transformers.MobileNetV2ForImageClassification(config)


def efficientnet(classes: tuple[str, ...] = CLASSES) -> nn.Module:
    """A stage of one block, without a residual connection, and one of two, the second of which has one."""
    config = transformers.EfficientNetConfig(
        image_size=32,
        width_coefficient=0.25,
        depth_coefficient=1.0,
        kernel_sizes=[3, 3],
        in_channels=[32, 32],
        out_channels=[32, 64],
        strides=[2, 1],
        num_block_repeats=[1, 2],
        expand_ratios=[1, 3],
        depthwise_padding=[],
        hidden_dim=320,
        **labels(classes),
    )
    return transformers.EfficientNetForImageClassification(config)


def convnext_v2(classes: tuple[str, ...] = CLASSES) -> nn.Module:
    config = transformers.ConvNextV2Config(
        num_stages=3, hidden_sizes=[8, 16, 24], depths=[1, 2, 1], patch_size=2, **labels(classes)
    )
    return transformers.ConvNextV2ForImageClassification(config)


class PlainCnn(nn.Module):
    """A stack written out line by line, with activations and poolings that are no modules."""

    def __init__(self, classes: int = len(CLASSES)) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.norm2 = nn.Conv2d(8, 12, 3, padding=1), nn.BatchNorm2d(12)
        self.conv3 = nn.Conv2d(12, 16, 3, padding=1)
        self.hidden = nn.Linear(16, 16)
        self.head = nn.Linear(16, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        x = functional.max_pool2d(functional.relu(self.norm1(self.conv1(pixels))), 2)
        x = functional.max_pool2d(functional.relu(self.norm2(self.conv2(x))), 2)
        x = functional.relu(self.conv3(x)).mean((2, 3))
        return self.head(functional.relu(self.hidden(x)))


def vgg(classes: int = len(CLASSES)) -> nn.Module:
    """One long Sequential, whose activations write over what they are given."""

    def part(width: int, wider: int) -> list[nn.Module]:
        return [nn.Conv2d(width, wider, 3, padding=1), nn.BatchNorm2d(wider), nn.ReLU(inplace=True), nn.MaxPool2d(2)]

    features = nn.Sequential(*part(3, 8), *part(8, 12), nn.Conv2d(12, 16, 3, padding=1), nn.ReLU(inplace=True))
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(features, pool, nn.Sequential(nn.Dropout(), nn.Linear(16, classes)))


class Fire(nn.Module):
    """SqueezeNet's part: what two convolutions write stands side by side."""

    def __init__(self, width: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(width, squeezed, 1)
        self.expand1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3 = nn.Conv2d(squeezed, expanded, 3, padding=1)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(self.squeeze(x))
        return torch.cat([self.activation(self.expand1(x)), self.activation(self.expand3(x))], 1)


def squeezenet(classes: int = len(CLASSES)) -> nn.Module:
    stem = [nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(inplace=True)]
    fires = [Fire(8, 4, 6), nn.MaxPool2d(2), Fire(12, 4, 8)]
    return nn.Sequential(*stem, *fires, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, classes))


class SharedBlock(nn.Module):
    """A residual block as torchvision writes it: one activation for all places, writing over what it is given."""

    def __init__(self, width: int, wider: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, wider, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(wider)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(wider, wider, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(wider)
        plain = stride == 1 and width == wider
        self.downsample = None if plain else nn.Sequential(nn.Conv2d(width, wider, 1, stride), nn.BatchNorm2d(wider))

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class SharedResNet(nn.Module):
    def __init__(self, classes: int = len(CLASSES)) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(SharedBlock(8, 8, 1), SharedBlock(8, 8, 1))
        self.layer2 = nn.Sequential(SharedBlock(8, 16, 2))
        self.fc = nn.Linear(16, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.layer2(self.layer1(self.relu(self.bn1(self.conv1(pixels)))))
        return self.fc(x.mean((2, 3)))


class BesideResNet(nn.Module):
    """Residual connections that run beside modules, through the whole model."""

    def __init__(self, classes: int = len(CLASSES)) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, stride=4)
        self.convolutions = nn.ModuleList(nn.Conv2d(8, 8, 3, padding=1) for _ in range(3))
        self.head = nn.Linear(8, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.stem(pixels)
        for convolution in self.convolutions:
            x = x + functional.relu(convolution(x))
        return self.head(x.mean((2, 3)))


def randomise(module: nn.Module) -> nn.Module:
    """Random weights that neither grow nor shrink what runs through many layers, and norms that remember something."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            deviation = (2 / parameter[0].numel()) ** 0.5 if parameter.ndim > 1 else 0.3
            parameter.normal_(0.0, deviation, generator=generator)
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.get_buffer("running_mean").normal_(0.0, 0.3, generator=generator)
                part.get_buffer("running_var").uniform_(0.5, 2.0, generator=generator)
                part.weight.uniform_(0.5, 1.5, generator=generator)
    return module.eval()
