"""Tiny detectors of random weights, one of each kind the package promises to work with."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from PIL import Image
from torch import Tensor

from expunge.vision.detection import DetectionModel, DetectionPreprocess, Target, fixed_preprocess, load_detector

SIDE, QUERIES, WIDTH = 64, 7, 32
CLASSES = ("ant", "bee", "cat")
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)

_RESNET: dict[str, Any] = {
    "embedding_size": 8,
    "hidden_sizes": [8, 16, 16, 32],
    "depths": [1, 1, 1, 1],
    "layer_type": "basic",
}
_VIT: dict[str, Any] = {"num_hidden_layers": 3, "num_attention_heads": 4, "hidden_size": 32}
BODY: dict[str, Any] = {
    "d_model": WIDTH,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 48,
    "decoder_layers": 2,
    "num_queries": QUERIES,
    "id2label": dict(enumerate(CLASSES)),
}


_NO_TIMM: dict[str, Any] = {"use_timm_backbone": False}


def _stages(*indices: int) -> dict[str, Any]:
    """Which feature maps a backbone gives."""
    return {"out_indices": list(indices)}


def _resnet(*stages: int) -> transformers.PreTrainedConfig:
    return transformers.ResNetConfig(**_RESNET, **_stages(*stages))


def detr() -> transformers.PreTrainedModel:
    config = transformers.DetrConfig(backbone_config=_resnet(4), encoder_layers=2, **_NO_TIMM, **BODY)
    return transformers.DetrForObjectDetection(config)


def detr_on_vit() -> transformers.PreTrainedModel:
    """DETR on a backbone that is made of blocks with FFNs itself."""
    backbone = transformers.Dinov2Config(**_VIT, image_size=SIDE, patch_size=16, **_stages(3))
    config = transformers.DetrConfig(backbone_config=backbone, encoder_layers=2, **_NO_TIMM, **BODY)
    return transformers.DetrForObjectDetection(config)


def conditional() -> transformers.PreTrainedModel:
    config = transformers.ConditionalDetrConfig(backbone_config=_resnet(4), encoder_layers=2, **_NO_TIMM, **BODY)
    return transformers.ConditionalDetrForObjectDetection(config)


def deformable(**settings: Any) -> transformers.PreTrainedModel:
    config = transformers.DeformableDetrConfig(
        backbone_config=_resnet(2, 3),
        encoder_layers=2,
        num_feature_levels=3,
        **_NO_TIMM,
        **BODY,
        **settings,
    )
    return transformers.DeformableDetrForObjectDetection(config)


def deformable_two_stage() -> transformers.PreTrainedModel:
    return deformable(two_stage=True, with_box_refine=True, two_stage_num_proposals=QUERIES)


def rt_detr() -> transformers.PreTrainedModel:
    config = transformers.RTDetrConfig(
        backbone_config=transformers.RTDetrResNetConfig(**_RESNET, **_stages(2, 3, 4)),
        encoder_in_channels=[16, 16, 32],
        decoder_in_channels=[WIDTH] * 3,
        encoder_hidden_dim=WIDTH,
        encoder_layers=1,
        num_denoising=4,
        **BODY,
    )
    return transformers.RTDetrForObjectDetection(config)


def yolos() -> transformers.PreTrainedModel:
    config = transformers.YolosConfig(
        **_VIT,
        intermediate_size=64,
        image_size=[SIDE, SIDE],
        patch_size=16,
        num_detection_tokens=QUERIES,
        use_mid_position_embeddings=True,
        id2label=dict(enumerate(CLASSES)),
    )
    return transformers.YolosForObjectDetection(config)


@dataclass(frozen=True)
class Kind:
    """A kind of detector and what must be found in it.

    Attributes:
        name: Name of the test.
        build: Makes the module.
        blocks: Names of its blocks.
        head: Name of the layer that makes the logits.
        logits: What the logits are.
        linears: Names of each block's FFN layers, within the block.
        decoder: Index of the first block of the decoder; None where there is none.
    """

    name: str
    build: Callable[[], transformers.PreTrainedModel]
    blocks: tuple[str, ...]
    head: str
    logits: str
    linears: tuple[str, str] = ("mlp.fc1", "mlp.fc2")
    decoder: int | None = 2


_ENCODER = ("model.encoder.layers.0", "model.encoder.layers.1")
_DECODER = ("model.decoder.layers.0", "model.decoder.layers.1")
KINDS = (
    Kind("detr", detr, _ENCODER + _DECODER, "class_labels_classifier", "softmax"),
    Kind("detr-on-vit", detr_on_vit, _ENCODER + _DECODER, "class_labels_classifier", "softmax"),
    Kind("conditional", conditional, _ENCODER + _DECODER, "class_labels_classifier", "sigmoid"),
    Kind("deformable", deformable, _ENCODER + _DECODER, "class_embed.1", "sigmoid"),
    Kind("deformable-two-stage", deformable_two_stage, _ENCODER + _DECODER, "class_embed.1", "sigmoid"),
    Kind(
        "rt-detr",
        rt_detr,
        ("model.encoder.aifi.0.layers.0", *_DECODER),
        "model.decoder.class_embed.1",
        "sigmoid",
        decoder=1,
    ),
    Kind(
        "yolos",
        yolos,
        tuple(f"vit.encoder.layer.{index}" for index in range(3)),
        "class_labels_classifier.layers.2",
        "softmax",
        ("intermediate.dense", "output.dense"),
        decoder=None,
    ),
)


def randomise(module: transformers.PreTrainedModel, seed: int = 0) -> transformers.PreTrainedModel:
    """Gives every parameter a value that matters: fresh biases and offsets are zeros or tiny."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0.0, 0.2, generator=generator)
    return module.eval()


def preprocess(side: int = SIDE) -> DetectionPreprocess:
    return fixed_preprocess(side, side, MEAN, STD)


def write(kind: Kind, folder: Path) -> Path:
    """A detector as transformers writes it."""
    randomise(kind.build()).save_pretrained(folder)
    preprocess().save(folder)
    return folder


def load(kind: Kind, folder: Path) -> DetectionModel:
    return load_detector(write(kind, folder))


def pixels(n: int = 2, side: int = SIDE) -> Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(1))


def picture(width: int = 50, height: int = 40, seed: int = 2) -> Image.Image:
    values = torch.randint(0, 256, (height, width, 3), generator=torch.Generator().manual_seed(seed))
    return Image.fromarray(values.to(torch.uint8).numpy())


def targets() -> tuple[Target, Target]:
    """Two objects in one image, one in the other."""
    first = Target(torch.tensor([0, 2]), torch.tensor([[0.3, 0.4, 0.2, 0.3], [0.7, 0.6, 0.4, 0.5]]))
    return first, Target(torch.tensor([1]), torch.tensor([[0.5, 0.5, 0.6, 0.2]]))
