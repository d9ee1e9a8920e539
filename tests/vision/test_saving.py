"""What a saved model directory holds."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import safetensors.torch
import torch
import transformers
from torch import Tensor, nn

from expunge.errors import HeadError, OutputError
from expunge.vision import CosFaceHead, HeadedBackbone, VisionModel, load_model, load_weights
from tests.vision.conformance import CLASSES, SIDE, pixels, randomise
from tests.vision.conftest import WIDTHS, tiny_vit, wrap
from tests.vision.handmade import EncoderViT


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_headed_backbone_is_documented_on_disk(headed_folder: Path) -> None:
    assert names(headed_folder) == {
        "config.json",
        "model.safetensors",
        "expunge.json",
        "head.safetensors",
        "preprocessor_config.json",
    }
    assert json.loads((headed_folder / "expunge.json").read_text()) == {
        "schema": "expunge/model/v1",
        "kind": "headed-backbone",
        "pooling": "cls",
        "head": {"kind": "cosface", "scale": 32.0, "margin": 0.2},
        "classes": list(CLASSES),
    }
    head = safetensors.torch.load_file(headed_folder / "head.safetensors")
    assert {name: tuple(tensor.shape) for name, tensor in head.items()} == {"weight": (5, 16), "bias": (5,)}


def test_plain_transformers_reads_the_backbone(headed: VisionModel, headed_folder: Path) -> None:
    plain = transformers.AutoModel.from_pretrained(headed_folder)
    assert isinstance(plain, transformers.Dinov2Model)
    with torch.no_grad():
        expected = plain(pixels()).last_hidden_state[:, 0]
        assert torch.equal(headed(pixels()).embedding, expected)


def test_plain_transformers_reads_a_classifier(vit_folder: Path, tmp_path: Path) -> None:
    model = load_model(vit_folder)
    model.save(tmp_path / "copy")
    plain = transformers.AutoModelForImageClassification.from_pretrained(tmp_path / "copy")
    assert plain.config.id2label == dict(enumerate(CLASSES))
    with torch.no_grad():
        assert torch.equal(plain(pixels()).logits, model(pixels()).logits)
    assert names(tmp_path / "copy") == {"config.json", "model.safetensors", "preprocessor_config.json"}


def test_the_models_own_class_names_are_saved(tmp_path: Path) -> None:
    model = VisionModel(tiny_vit(), ["crane", "b", "c", "crane", "ë"], preprocess=wrap(tiny_vit()).preprocess)
    model.save(tmp_path / "copy")
    assert load_model(tmp_path / "copy").classes == ("crane", "b", "c", "crane", "ë")


def test_edited_weights_and_a_struck_class_survive(headed: VisionModel, tmp_path: Path) -> None:
    classifier = headed.module.get_submodule("classifier")
    with torch.no_grad():
        headed.linear("backbone.encoder.layer.0.mlp.fc1").weight.mul_(1.5)
        classifier.get_parameter("weight")[2] = 0.0
        classifier.get_buffer("bias")[2] = -1e4
    headed.save(tmp_path / "copy")
    copy = load_model(tmp_path / "copy")
    assert copy.digest() == headed.digest()
    assert (copy(pixels()).logits[:, 2] == -1e4).all()


def test_a_backbone_without_pooler_comes_back_without_one(tmp_path: Path) -> None:
    config = transformers.ViTConfig(**WIDTHS, image_size=SIDE)
    backbone = transformers.ViTModel(config, add_pooling_layer=False)
    model = wrap(randomise(HeadedBackbone(backbone, "cls", nn.Linear(16, 5))))
    model.save(tmp_path / "copy")
    assert load_model(tmp_path / "copy").digest() == model.digest()


@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_head_keeps_its_bias_or_none(tmp_path: Path, bias: bool) -> None:
    backbone = transformers.Dinov2Model(transformers.Dinov2Config(**WIDTHS, image_size=SIDE))
    model = wrap(randomise(HeadedBackbone(backbone, "mean", nn.Linear(16, 5, bias=bias))))
    model.save(tmp_path / "copy")
    copy = load_model(tmp_path / "copy")
    assert copy.digest() == model.digest()
    assert copy.head.kind == "softmax"


def test_saving_twice_gives_the_same_bytes(headed: VisionModel, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        headed.save(tmp_path / folder)
    for name in names(tmp_path / "a"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_other_modules_are_saved_as_weights(tmp_path: Path) -> None:
    model = wrap(randomise(EncoderViT(5)), head=CosFaceHead(8.0))
    model.save(tmp_path / "weights")
    assert names(tmp_path / "weights") == {"expunge.json", "model.safetensors", "preprocessor_config.json"}
    assert json.loads((tmp_path / "weights" / "expunge.json").read_text())["kind"] == "weights"
    assert load_weights(EncoderViT(5), tmp_path / "weights").head == CosFaceHead(8.0)


def test_nothing_is_overwritten(headed: VisionModel, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"it holds notes\.txt"):
        headed.save(tmp_path)
    assert names(tmp_path) == {"notes.txt"}


def test_a_file_is_no_directory(headed: VisionModel, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="cannot be written"):
        headed.save(tmp_path / "file")


def test_a_transformers_checkpoint_cannot_say_margin(tmp_path: Path) -> None:
    with pytest.raises(HeadError, match="HeadedBackbone"):
        wrap(tiny_vit(), head=CosFaceHead()).save(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_backbone_that_is_not_transformers_is_saved_as_weights(tmp_path: Path) -> None:
    model = wrap(randomise(HeadedBackbone(Tokens(), "cls", nn.Linear(16, 5))))
    model.save(tmp_path / "weights")
    copy = load_weights(HeadedBackbone(Tokens(), "cls", nn.Linear(16, 5)), tmp_path / "weights")
    assert torch.equal(copy(pixels()).logits, model(pixels()).logits)


class Tokens(nn.Module):
    """A backbone written by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.body = EncoderViT(5)
        self.body.head = nn.Identity()

    def forward(self, values: Tensor) -> SimpleNamespace:
        return SimpleNamespace(last_hidden_state=self.body.encoder(self.body.patches(values)))
