"""Every kind of model the package promises to work with, held against one list of demands."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import transformers
from PIL import Image
from torch import Tensor, nn
from transformers import AutoImageProcessor, AutoModelForImageClassification, ViTImageProcessorPil

from expunge.vision import (
    CosFaceHead,
    CosineClassifier,
    Head,
    HeadedBackbone,
    SoftmaxHead,
    VisionModel,
    load_model,
    load_weights,
    load_zero_shot,
    standard_preprocess,
)
from tests import toy_clip
from tests.vision import conformance
from tests.vision.conformance import CLASSES, MEAN, SIDE, STD, Subject, randomise
from tests.vision.handmade import EncoderViT, SequentialViT

TINY: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": SIDE,
    "patch_size": 8,
}
PROJECTIONS = ("mlp.fc1", "mlp.fc2")


@dataclass(frozen=True)
class Case:
    """A model to build and what must be found in it.

    Attributes:
        name: Name of the test.
        build: Makes the module, with any weights.
        blocks: Names of its blocks.
        linears: Names of each block's FFN layers, within the block.
        head_name: Name of its classifier.
        head: The loss that belongs to it.
    """

    name: str
    build: Callable[[], nn.Module]
    blocks: tuple[str, ...]
    linears: tuple[str, ...] = PROJECTIONS
    head_name: str = "classifier"
    head: Head = field(default_factory=SoftmaxHead)


def classifier(kind: str, **settings: Any) -> Callable[[], nn.Module]:
    """A transformers classifier of random weights."""

    def build() -> nn.Module:
        config = getattr(transformers, f"{kind}Config")(**settings, id2label=dict(enumerate(CLASSES)))
        return getattr(transformers, f"{kind}ForImageClassification")(config)

    return build


def headed(kind: str, config: Any, pooling: str, classifier: nn.Module) -> Callable[[], nn.Module]:
    """A transformers backbone with a classifier of ours."""
    return lambda: HeadedBackbone(getattr(transformers, kind)(config), pooling, classifier)


def clip_classifier() -> nn.Module:
    text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    return classifier("CLIP", vision_config=TINY, text_config=text, projection_dim=16)()


def zero_shot(make: Callable[[], transformers.PreTrainedModel]) -> Callable[[], nn.Module]:
    """The classifier that a model with words becomes, from the disk."""

    def build() -> nn.Module:
        model = make()
        model.get_parameter("logit_scale").data.fill_(0.0)  # its exponential is the scale of the head
        with TemporaryDirectory() as folder:
            return load_zero_shot(toy_clip.write(model, Path(folder)), CLASSES).module

    return build


CASES = (
    Case("vit", classifier("ViT", **TINY), ("vit.layers.0", "vit.layers.1", "vit.layers.2")),
    Case("deit", classifier("DeiT", **TINY), ("deit.layers.0", "deit.layers.1", "deit.layers.2")),
    Case(
        "beit",
        classifier("Beit", **TINY, use_relative_position_bias=True),
        ("beit.layers.0", "beit.layers.1", "beit.layers.2"),
    ),
    Case(
        "swin",
        classifier(
            "Swin",
            image_size=SIDE,
            patch_size=2,
            embed_dim=16,
            depths=[1, 2],
            num_heads=[2, 2],
            window_size=4,
        ),
        (
            "swin.encoder.layers.0.blocks.0",
            "swin.encoder.layers.1.blocks.0",
            "swin.encoder.layers.1.blocks.1",
        ),
    ),
    Case(
        "dinov2",
        classifier("Dinov2", **TINY),
        ("dinov2.encoder.layer.0", "dinov2.encoder.layer.1", "dinov2.encoder.layer.2"),
    ),
    Case(
        "dinov2-swiglu",
        classifier("Dinov2", **TINY, use_swiglu_ffn=True),
        ("dinov2.encoder.layer.0", "dinov2.encoder.layer.1", "dinov2.encoder.layer.2"),
        ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"),
    ),
    Case(
        "clip",
        clip_classifier,
        (
            "vision_model.encoder.layers.0",
            "vision_model.encoder.layers.1",
            "vision_model.encoder.layers.2",
        ),
    ),
    Case(
        "convnext",
        classifier("ConvNext", num_stages=3, hidden_sizes=[8, 16, 24], depths=[1, 2, 1], patch_size=2),
        (
            "convnext.encoder.stages.0.layers.0",
            "convnext.encoder.stages.1.layers.0",
            "convnext.encoder.stages.1.layers.1",
            "convnext.encoder.stages.2.layers.0",
        ),
        ("pwconv1", "pwconv2"),
    ),
    Case(
        "clip-cosine",
        headed("CLIPVisionModel", transformers.CLIPVisionConfig(**TINY), "pooler", CosineClassifier(16, 5, 16.0)),
        ("backbone.encoder.layers.0", "backbone.encoder.layers.1", "backbone.encoder.layers.2"),
        head=CosFaceHead(scale=16.0),
    ),
    Case(
        "dinov2-cls",
        headed("Dinov2Model", transformers.Dinov2Config(**TINY), "cls", CosineClassifier(16, 5)),
        ("backbone.encoder.layer.0", "backbone.encoder.layer.1", "backbone.encoder.layer.2"),
        head=CosFaceHead(),
    ),
    Case(
        "vit-mean-softmax",
        headed("ViTModel", transformers.ViTConfig(**TINY), "mean", nn.Linear(16, 5)),
        ("backbone.layers.0", "backbone.layers.1", "backbone.layers.2"),
    ),
    Case(
        "clip-zero-shot",
        zero_shot(toy_clip.clip),
        tuple(f"backbone.vision_model.encoder.layers.{number}" for number in range(3)),
        head=CosFaceHead(scale=1.0, margin=0.0),
    ),
    Case(
        "siglip-zero-shot",
        zero_shot(toy_clip.siglip),
        ("backbone.encoder.layers.0", "backbone.encoder.layers.1", "backbone.encoder.layers.2"),
        head=CosFaceHead(scale=1.0, margin=0.0),
    ),
    Case(
        "handmade-encoder",
        lambda: EncoderViT(5),
        ("encoder.layers.0", "encoder.layers.1", "encoder.layers.2"),
        ("linear1", "linear2"),
        "head",
    ),
    Case(
        "handmade-sequential",
        lambda: SequentialViT(5),
        ("blocks.0", "blocks.1", "blocks.2"),
        ("ffn.1", "ffn.4"),
        "head",
    ),
)


def make_subject(case: Case, folder: Path) -> Subject:
    """Builds the module, writes it to disk where it can be read back from there, and loads it."""
    module = randomise(case.build())
    reference = copy.deepcopy(module)
    reload, prepared = load_model, None
    if isinstance(module, transformers.PreTrainedModel):
        module.save_pretrained(folder)
        ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
        model = load_model(folder)
        reference = AutoModelForImageClassification.from_pretrained(folder)
        prepared = published_preprocess(folder)
    else:
        preprocess = standard_preprocess(SIDE, MEAN, STD)
        model = VisionModel(module, CLASSES, preprocess=preprocess, head=case.head, name=case.name)
        if isinstance(module, HeadedBackbone):
            model.save(folder / "model")
            model = load_model(folder / "model")
        else:
            reload = lambda path: load_weights(case.build(), path)  # noqa: E731
    blocks = {name: tuple(f"{name}.{linear}" for linear in case.linears) for name in case.blocks}
    return Subject(model, reference, blocks, case.head_name, reload, prepared)


def published_preprocess(folder: Path) -> Callable[[list[Image.Image]], Tensor]:
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    return lambda images: processor(images=images, return_tensors="pt")["pixel_values"]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return make_subject(request.param, tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize("check", conformance.PROMISES, ids=lambda check: check.__name__)
def test_the_promises_of_every_model(subject: Subject, check: Callable[[Subject], None]) -> None:
    check(subject)


def test_saved_models_come_back_the_same(subject: Subject, tmp_path: Path) -> None:
    conformance.check_round_trip(subject, tmp_path)
