"""Small models on disk for the tests of this room."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import transformers
from torch import Tensor, nn
from transformers import ViTImageProcessorPil

from expunge.vision import CosFaceHead, CosineClassifier, HeadedBackbone, VisionModel, standard_preprocess
from tests.vision.conformance import CLASSES, MEAN, SIDE, STD, randomise

WIDTHS: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "patch_size": 8,
}


def tiny_vit(classes: tuple[str, ...] = CLASSES) -> transformers.ViTForImageClassification:
    config = transformers.ViTConfig(**WIDTHS, image_size=SIDE, id2label=dict(enumerate(classes)))
    return randomise(transformers.ViTForImageClassification(config))


def tiny_dinov2(image_size: int = SIDE) -> transformers.Dinov2Model:
    return randomise(transformers.Dinov2Model(transformers.Dinov2Config(**WIDTHS, image_size=image_size)))


def wrap(module: nn.Module, side: int = SIDE, **settings: Any) -> VisionModel:
    """A vision model with a preprocess of the given size."""
    return VisionModel(module, CLASSES, preprocess=standard_preprocess(side, MEAN, STD), **settings)


def edit(path: Path, change: Callable[[dict], object]) -> None:
    """Changes a JSON file."""
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def edit_tensors(path: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    """Changes a safetensors file."""
    tensors = safetensors.torch.load_file(path)
    change(tensors)
    safetensors.torch.save_file(tensors, path, {"format": "pt"})


@pytest.fixture
def vit_folder(tmp_path: Path) -> Path:
    """A ViT as transformers writes it."""
    folder = tmp_path / "vit"
    tiny_vit().save_pretrained(folder)
    ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return folder


@pytest.fixture
def headed() -> VisionModel:
    """A DINOv2 backbone with a CosFace head."""
    module = HeadedBackbone(tiny_dinov2(), "cls", CosineClassifier(16, 5, 32.0))
    return wrap(randomise(module), head=CosFaceHead(scale=32.0, margin=0.2))


@pytest.fixture
def headed_folder(headed: VisionModel, tmp_path: Path) -> Path:
    """The same on disk."""
    folder = tmp_path / "headed"
    headed.save(folder)
    return folder
