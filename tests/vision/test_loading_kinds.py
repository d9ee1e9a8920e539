"""Headed backbones and weights of other modules that cannot be loaded, and what the user is told."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from expunge.errors import CorruptWeightsError, HeadError, ModelNotFoundError
from expunge.vision import load_model, load_weights
from tests.vision.conformance import randomise
from tests.vision.conftest import edit, edit_tensors, wrap
from tests.vision.handmade import EncoderViT

# --- Headed backbones ----------------------------------------------------------------------------


def test_head_rows_must_match_the_classes(headed_folder: Path) -> None:
    edit(headed_folder / "expunge.json", lambda values: values["classes"].pop())
    with pytest.raises(HeadError, match="4 in all; found 5"):
        load_model(headed_folder)


def test_head_columns_must_match_the_backbone(headed_folder: Path) -> None:
    edit_tensors(headed_folder / "head.safetensors", lambda tensors: tensors.update(weight=torch.zeros(5, 9)))
    with pytest.raises(HeadError, match="9 numbers an image; the backbone gives 16"):
        load_model(headed_folder)


def test_a_headed_backbone_without_head_is_reported(headed_folder: Path) -> None:
    (headed_folder / "head.safetensors").unlink()
    with pytest.raises(CorruptWeightsError, match=r"head\.safetensors is missing"):
        load_model(headed_folder)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda tensors: tensors.pop("weight"), id="no weight"),
        pytest.param(lambda tensors: tensors.pop("bias"), id="no bias"),
        pytest.param(lambda tensors: tensors.update(more=torch.zeros(1)), id="more"),
        pytest.param(lambda tensors: tensors.update(weight=torch.zeros(5)), id="one dimension"),
    ],
)
def test_a_head_that_does_not_fit_is_reported(headed_folder: Path, change: Callable[[dict], object]) -> None:
    edit_tensors(headed_folder / "head.safetensors", change)
    with pytest.raises(CorruptWeightsError, match=r"head\.safetensors"):
        load_model(headed_folder)


def test_a_truncated_head_is_reported(headed_folder: Path) -> None:
    path = headed_folder / "head.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(CorruptWeightsError, match=r"head\.safetensors is damaged"):
        load_model(headed_folder)


def test_a_backbone_that_lacks_tensors_is_reported(headed_folder: Path) -> None:
    edit_tensors(headed_folder / "model.safetensors", lambda tensors: tensors.pop("layernorm.weight"))
    with pytest.raises(CorruptWeightsError, match=r"layernorm\.weight"):
        load_model(headed_folder)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda values: values.update(schema="expunge/model/v9"), id="schema"),
        pytest.param(lambda values: values.update(kind="other"), id="kind"),
        pytest.param(lambda values: values.pop("kind"), id="no kind"),
        pytest.param(lambda values: values.update(pooling="max"), id="pooling"),
        pytest.param(lambda values: values.update(head={"kind": "other"}), id="head"),
        pytest.param(lambda values: values.update(head=3), id="head of another type"),
        pytest.param(lambda values: values.update(classes=[]), id="no classes"),
        pytest.param(lambda values: values.update(classes=[1, 2, 3, 4, 5]), id="numbers"),
        pytest.param(lambda values: values.update(classes="abcde"), id="one text"),
    ],
)
def test_a_damaged_manifest_is_reported(headed_folder: Path, change: Callable[[dict], object]) -> None:
    edit(headed_folder / "expunge.json", change)
    with pytest.raises(CorruptWeightsError, match=r"expunge\.json cannot be read"):
        load_model(headed_folder)


@pytest.mark.parametrize("text", ["{", "[]", "null"])
def test_a_manifest_that_is_no_object_is_reported(headed_folder: Path, text: str) -> None:
    (headed_folder / "expunge.json").write_text(text)
    with pytest.raises(CorruptWeightsError, match=r"expunge\.json cannot be read"):
        load_model(headed_folder)


# --- Weights of other modules --------------------------------------------------------------------


@pytest.fixture
def weights_folder(tmp_path: Path) -> Path:
    wrap(randomise(EncoderViT(5))).save(tmp_path / "weights")
    return tmp_path / "weights"


def test_weights_alone_need_a_module(weights_folder: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="load_weights"):
        load_model(weights_folder)


def test_weights_must_fit_the_module(weights_folder: Path) -> None:
    with pytest.raises(CorruptWeightsError, match="does not fit EncoderViT"):
        load_weights(EncoderViT(5, depth=2), weights_folder)


def test_damaged_weights_are_reported(weights_folder: Path) -> None:
    path = weights_folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CorruptWeightsError, match="damaged"):
        load_weights(EncoderViT(5), weights_folder)


def test_other_directories_hold_no_such_weights(headed_folder: Path, vit_folder: Path) -> None:
    for folder in (headed_folder, vit_folder):
        with pytest.raises(ModelNotFoundError, match="use load_model"):
            load_weights(EncoderViT(5), folder)
