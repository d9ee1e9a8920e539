"""Models from timm. Run with timm and torchvision on the path: `make test`."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from expunge.errors import (
    CorruptWeightsError,
    HeadError,
    ModelError,
    ModelNotFoundError,
    UnsafeWeightsError,
)
from expunge.vision import load_weights
from expunge.vision.timm import from_timm
from tests.vision import conformance, convolutional
from tests.vision.conformance import CLASSES, MEAN, SIDE, STD, Subject, pictures, pixels, randomise

timm = pytest.importorskip("timm")

DATA: dict[str, Any] = {"input_size": (3, SIDE, SIDE), "mean": MEAN, "std": STD, "crop_pct": 0.8}
VIT: dict[str, Any] = {"img_size": SIDE, "patch_size": 8, "embed_dim": 16, "depth": 3, "num_heads": 2}
SWIN: dict[str, Any] = {
    "img_size": SIDE,
    "patch_size": 2,
    "embed_dim": 16,
    "depths": (1, 2),
    "num_heads": (2, 2),
    "window_size": 4,
}
CONVNEXT: dict[str, Any] = {"dims": (8, 16, 24, 32), "depths": (1, 2, 1, 1), "patch_size": 2}


@dataclass(frozen=True)
class Case:
    """A timm model, small, and what must be found in it; convolutions that are blocks by themselves are `alone`."""

    model: str
    settings: dict[str, Any]
    blocks: tuple[str, ...]
    head_name: str
    linears: tuple[str, ...] = ("mlp.fc1", "mlp.fc2")
    alone: tuple[str, ...] = ()


RESNET = tuple(f"layer{stage}.{block}" for stage in range(1, 5) for block in range(2))
EFFICIENT = tuple(f"blocks.{stage}.{block}" for stage, n in enumerate((2, 2, 3, 3, 4, 1), 1) for block in range(n))
MOBILE = tuple(f"blocks.{stage}.{block}" for stage, n in enumerate((2, 3, 2, 3), 1) for block in range(n))
VGG = tuple(f"features.{place}" for place in (0, 4, 8, 11, 15, 18, 22, 25))

CASES = (
    Case("vit_tiny_patch16_224", VIT, ("blocks.0", "blocks.1", "blocks.2"), "head"),
    Case(
        "swin_tiny_patch4_window7_224",
        SWIN,
        ("layers.0.blocks.0", "layers.1.blocks.0", "layers.1.blocks.1"),
        "head.fc",
    ),
    Case(
        "convnext_tiny",
        CONVNEXT,
        (
            "stages.0.blocks.0",
            "stages.1.blocks.0",
            "stages.1.blocks.1",
            "stages.2.blocks.0",
            "stages.3.blocks.0",
        ),
        "head.fc",
    ),
    Case("resnet18", {"output_stride": 8}, RESNET, "fc", ("conv1", "conv2")),
    Case("efficientnet_lite0", {}, EFFICIENT, "classifier", ("conv_pw", "conv_pwl"), ("conv_head",)),
    Case("mobilenetv3_small_100", {}, MOBILE, "classifier", ("conv_pw", "conv_pwl"), ("blocks.5.0.conv",)),
    Case("vgg11_bn", {"mlp_ratio": 0.01}, (), "head.fc", alone=VGG),
)


def build(case: Case, **data: Any) -> nn.Module:
    overlay = {**DATA, **data}
    module = timm.create_model(case.model, num_classes=5, pretrained_cfg_overlay=overlay, **case.settings)
    return (
        convolutional.randomise(module)
        if any(isinstance(m, nn.BatchNorm2d) for m in module.modules())
        else randomise(module)
    )


def timm_transform(module: nn.Module) -> Callable[[list[Image.Image]], Tensor]:
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(module))
    return lambda images: torch.stack([transform(image) for image in images])


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.model)
def subject(request: pytest.FixtureRequest) -> Subject:
    case: Case = request.param
    module = build(case)
    return Subject(
        model=from_timm(module, CLASSES),
        reference=copy.deepcopy(module),
        blocks={name: tuple(f"{name}.{linear}" for linear in case.linears) for name in case.blocks}
        | {name: (name,) for name in case.alone},
        head_name=case.head_name,
        reload=lambda folder: load_weights(build(case), folder),
        prepared=timm_transform(module),
    )


@pytest.mark.parametrize("check", conformance.PROMISES, ids=lambda check: check.__name__)
def test_conformance(subject: Subject, check: Callable[[Subject], None]) -> None:
    check(subject)


def test_saved_models_come_back_the_same(subject: Subject, tmp_path: Path) -> None:
    conformance.check_round_trip(subject, tmp_path)


def test_the_name_is_timms() -> None:
    assert from_timm(build(CASES[0]), CLASSES).name == "vit_tiny_patch16_224"


def test_squashed_pictures_are_prepared_as_timm_does() -> None:
    module = build(CASES[0], crop_mode="squash", interpolation="bilinear")
    model = from_timm(module, CLASSES)
    expected = timm_transform(module)([picture.convert("RGB") for picture in pictures()])
    torch.testing.assert_close(model.prepare(pictures()), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("data", [{"crop_mode": "border"}, {"interpolation": "random"}, {"input_size": (3, 32, 48)}])
def test_a_data_config_that_cannot_be_followed_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="preprocess="):
        from_timm(build(CASES[0], **data), CLASSES)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "vit.safetensors"
    save_file(build(CASES[0]).state_dict(), path)
    return path


def from_file(path: Path, classes: tuple[str, ...] = CLASSES) -> Any:
    return from_timm(CASES[0].model, classes, weights=path, pretrained_cfg_overlay=DATA, **VIT)


def test_a_named_model_reads_a_safetensors_file(weights: Path) -> None:
    model = from_file(weights)
    with torch.no_grad():
        assert torch.equal(model(pixels()).logits, conformance.plain_logits(build(CASES[0]), pixels()))


def test_a_classifier_of_another_size_is_refused(weights: Path) -> None:
    with pytest.raises(CorruptWeightsError, match="size mismatch"):
        from_file(weights, CLASSES[:3])


def test_missing_weights_are_refused(weights: Path) -> None:
    tensors = load_file(weights)
    del tensors["head.weight"]
    save_file(tensors, weights)
    with pytest.raises(CorruptWeightsError, match=r"head\.weight"):
        from_file(weights)


def test_damaged_weights_are_refused(weights: Path) -> None:
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CorruptWeightsError, match="damaged"):
        from_file(weights)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="no file"):
        from_file(tmp_path / "absent.safetensors")


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vit.pth"
    torch.save(build(CASES[0]).state_dict(), path)
    with pytest.raises(UnsafeWeightsError, match="pickle"):
        from_file(path)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ModelNotFoundError, match="no model 'vit_nonsense'"):
        from_timm("vit_nonsense", CLASSES)


def test_published_weights_with_another_number_of_classes_are_refused() -> None:
    with pytest.raises(HeadError, match="1000 classes, but 5"):
        from_timm("vit_base_patch16_224.augreg_in1k", CLASSES)


def test_published_weights_that_cannot_be_fetched_are_reported() -> None:
    with pytest.raises(ModelNotFoundError, match="Hugging Face Hub"):
        from_timm("vit_base_patch16_224.augreg_in1k", [f"class {index}" for index in range(1000)])
