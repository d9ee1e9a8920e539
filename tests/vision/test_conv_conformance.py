"""Convolutional networks, held against the list of demands that every kind of model must meet."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import transformers
from torch import nn
from transformers import AutoModelForImageClassification, ViTImageProcessorPil

from expunge.vision import VisionModel, load_model, load_weights, standard_preprocess
from tests.vision import conformance, convolutional
from tests.vision.conformance import CLASSES, MEAN, SIDE, STD, Subject
from tests.vision.convolutional import randomise
from tests.vision.test_conformance import published_preprocess

TWO, THREE = ("layer.0.convolution", "layer.1.convolution"), tuple(f"layer.{i}.convolution" for i in range(3))
EXPANSION, PROJECTION = "expansion.expand_conv", "projection.project_conv"
INVERTED, SHARED = ("expand_1x1.convolution", "reduce_1x1.convolution"), ("conv1", "conv2")


@dataclass(frozen=True)
class Case:
    """A network, and the blocks and layers that must be found in it.

    Attributes:
        name: Name of the test.
        build: Makes the module, with any weights.
        blocks: Name of a block -> its layers within the block; "" where the block is the layer.
        head_name: Name of its classifier.
    """

    name: str
    build: Callable[[], nn.Module]
    blocks: Mapping[str, tuple[str, ...]]
    head_name: str = "classifier.1"


def stages(kind: str, layers: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return {f"{kind}.encoder.stages.{name}": layers for name in ("0.layers.0", "1.layers.0", "1.layers.1")}


CASES = (
    Case("resnet", convolutional.resnet, stages("resnet", TWO)),
    Case("resnet-bottleneck", lambda: convolutional.resnet("bottleneck"), stages("resnet", THREE)),
    Case("regnet", convolutional.regnet, stages("regnet", ("layer.0.convolution", "layer.3.convolution"))),
    Case(
        "mobilenet-v2",
        convolutional.mobilenet_v2,
        {f"mobilenet_v2.layer.{i}": INVERTED for i in range(16)} | {"mobilenet_v2.conv_1x1.convolution": ("",)},
        "classifier",
    ),
    Case(
        "efficientnet",
        convolutional.efficientnet,
        {
            "efficientnet.encoder.blocks.0": (PROJECTION,),
            "efficientnet.encoder.blocks.1": (EXPANSION, PROJECTION),
            "efficientnet.encoder.blocks.2": (EXPANSION, PROJECTION),
            "efficientnet.encoder.top_conv": ("",),
        },
        "classifier",
    ),
    Case(
        "convnext-v2",
        convolutional.convnext_v2,
        {
            f"convnextv2.encoder.stages.{name}": ("pwconv1", "pwconv2")
            for name in ("0.layers.0", "1.layers.0", "1.layers.1", "2.layers.0")
        },
        "classifier",
    ),
    Case("handmade", convolutional.PlainCnn, {"conv1": ("",), "conv2": ("",), "conv3": ("",)}, "head"),
    Case("vgg", convolutional.vgg, {"0.0": ("",), "0.4": ("",), "0.8": ("",)}, "2.1"),
    Case("squeezenet", convolutional.squeezenet, {"2": ("squeeze", "expand3"), "4": ("squeeze", "expand3")}, "7"),
    Case(
        "shared-activation",
        convolutional.SharedResNet,
        {"layer1.0": SHARED, "layer1.1": SHARED, "layer2.0": SHARED},
        "fc",
    ),
)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    case: Case = request.param
    module, folder = randomise(case.build()), tmp_path_factory.mktemp("model")
    blocks = {
        block: tuple(f"{block}.{layer}" if layer else block for layer in layers)
        for block, layers in case.blocks.items()
    }
    if isinstance(module, transformers.PreTrainedModel):
        module.save_pretrained(folder)
        ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
        reference = AutoModelForImageClassification.from_pretrained(folder)
        prepared = published_preprocess(folder)
        return Subject(load_model(folder), reference, blocks, case.head_name, load_model, prepared)
    model = VisionModel(copy.deepcopy(module), CLASSES, preprocess=standard_preprocess(SIDE, MEAN, STD), name=case.name)
    return Subject(model, module, blocks, case.head_name, lambda path: load_weights(case.build(), path))


def test_it_has_blocks(subject: Subject) -> None:
    assert subject.model.fixed is None


@pytest.mark.parametrize("check", conformance.PROMISES, ids=lambda check: check.__name__)
def test_the_promises_of_every_model(subject: Subject, check: Callable[[Subject], None]) -> None:
    check(subject)


def test_saved_models_come_back_the_same(subject: Subject, tmp_path: Path) -> None:
    conformance.check_round_trip(subject, tmp_path)
