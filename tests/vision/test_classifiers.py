"""Putting a classifier on a backbone, and finding the one a model has."""

import pytest
import torch
import transformers
from torch import Tensor, nn

from expunge.errors import HeadError
from expunge.values import Block
from expunge.vision import CosineClassifier, HeadedBackbone, find_blocks
from expunge.vision.classifiers import find_head
from tests.vision.conformance import CLASSES, SIDE, pixels, randomise
from tests.vision.conftest import WIDTHS, tiny_dinov2, tiny_vit, wrap
from tests.vision.handmade import Cnn, EncoderViT


@pytest.mark.parametrize("pooling", ["cls", "mean", "pooler"])
def test_pooling_by_hand(pooling: str) -> None:
    config = transformers.ViTConfig(**WIDTHS, image_size=SIDE)
    backbone = randomise(transformers.ViTModel(config))
    model = wrap(HeadedBackbone(backbone, pooling, nn.Linear(16, 5)))
    output = backbone(pixels())
    tokens = output.last_hidden_state
    expected = {
        "cls": tokens[:, 0],
        "mean": sum(tokens[:, index] for index in range(1, 17)) / 16,
        "pooler": output.pooler_output,
    }[pooling]
    torch.testing.assert_close(model(pixels()).embedding, expected)


def test_unknown_pooling_is_refused() -> None:
    with pytest.raises(HeadError, match="cls, mean, pooler, projected; got 'max'"):
        HeadedBackbone(tiny_dinov2(), "max", nn.Linear(16, 5))


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_feature_maps_have_no_tokens_to_pool(pooling: str) -> None:
    config = transformers.ConvNextConfig(num_stages=2, hidden_sizes=[8, 16], depths=[1, 1], patch_size=2)
    model = wrap(HeadedBackbone(transformers.ConvNextModel(config), pooling, nn.Linear(16, 5)))
    with pytest.raises(HeadError, match=r"3 dimensions .* shape \(3, 16, 8, 8\)"):
        model(pixels())


def test_the_classifier_may_be_as_wide_as_the_blocks() -> None:
    """With 16 classes and blocks 16 wide, the last FFN layer has one row a class too."""

    class HeadFirst(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(16, 16)
            self.body = EncoderViT(16)

        def forward(self, values: Tensor) -> Tensor:
            return self.head(self.body.norm(self.body.encoder(self.body.patches(values)))[:, 0])

    module = HeadFirst()
    module.body.head = nn.Identity()
    assert find_head(module, 16, find_blocks(module)) == "head"


def test_the_last_matrix_of_that_size_is_the_classifier() -> None:
    """CLIP's 17 positions of 16 numbers look like a classifier of 17 classes."""
    text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.CLIPConfig(
        vision_config={**WIDTHS, "image_size": SIDE},
        text_config=text,
        id2label={index: str(index) for index in range(17)},
        projection_dim=16,
    )
    module = transformers.CLIPForImageClassification(config)
    assert find_head(module, 17, find_blocks(module)) == "classifier"


def test_a_classifier_of_another_size_is_no_classifier() -> None:
    with pytest.raises(HeadError, match=r"one row a class, 5 in all; .* classifier \(3, 16\)"):
        wrap(tiny_vit(CLASSES[:3]))


def test_a_backbone_alone_has_no_classifier() -> None:
    with pytest.raises(HeadError, match="none"):
        wrap(tiny_dinov2())


def test_two_classifiers_in_one_model_are_refused() -> None:
    """DeiT's teacher averages two heads, so that neither decides the logits."""
    config = transformers.DeiTConfig(**WIDTHS, image_size=SIDE, id2label=dict(enumerate(CLASSES)))
    model = wrap(randomise(transformers.DeiTForImageClassificationWithTeacher(config)))
    with pytest.raises(HeadError, match="second classifier"):
        model(pixels())


class Changed(nn.Module):
    """Returns something else than the output of its classifier."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.body = EncoderViT(5)
        self.way = way

    def forward(self, pixels: Tensor) -> object:
        tokens = self.body.norm(self.body.encoder(self.body.patches(pixels)))
        if self.way == "tokens":
            return self.body.head(tokens)
        if self.way == "bypassed":
            return nn.functional.linear(tokens[:, 0], self.body.head.get_parameter("weight"))
        logits = self.body.head(tokens[:, 0])
        return {"softmax": logits.softmax(1), "dictionary": {"scores": logits}, "double": logits.double()}[self.way]


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ("softmax", "something changes them"),
        ("dictionary", "returned dict"),
        ("tokens", r"shape \(3, 17, 16\)"),
        ("bypassed", "called 0 times"),
    ],
)
def test_logits_must_be_the_classifiers(way: str, message: str) -> None:
    with pytest.raises(HeadError, match=message):
        wrap(randomise(Changed(way)))(pixels())


def test_logits_may_change_their_dtype() -> None:
    assert wrap(randomise(Changed("double")))(pixels()).logits.dtype == torch.float64


def test_a_cnn_with_named_blocks_has_a_classifier() -> None:
    model = wrap(Cnn(5), blocks=[Block("body.0", ()), Block("body.1", ())])
    assert model.head_name == "head"


def test_cosine_classifiers_are_found() -> None:
    assert wrap(HeadedBackbone(tiny_dinov2(), "cls", CosineClassifier(16, 5))).head_name == "classifier"
