"""Configurations and weights that say something else than a whole model: each is refused with one clear error."""

from pathlib import Path

import pytest
import torch
import transformers

from expunge.errors import CorruptWeightsError, QuantizedWeightsError
from expunge.vision import VisionModel, load_model
from tests.vision.conformance import pixels
from tests.vision.conftest import edit, edit_tensors


@pytest.mark.parametrize(
    "change",
    [
        {"id2label": {"0": "a", "1": "b", "2": "c", "3": "d", "9": "e"}},
        {"id2label": {str(i + 1): name for i, name in enumerate("abcde")}},
        {"id2label": list("abcde")},
        {"id2label": "abcde"},
        {"id2label": {"x": "a"}},
        {"hidden_size": "48"},
        {"hidden_act": "nope"},
        {"patch_size": 0},
        {"num_attention_heads": 0},
    ],
    ids=str,
)
def test_an_impossible_config_is_reported(vit_folder: Path, change: dict) -> None:
    edit(vit_folder / "config.json", lambda config: config.update(change))
    with pytest.raises(CorruptWeightsError, match=r"config\.json") as caught:
        load_model(vit_folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("method", ["gptq", "bitsandbytes", "torchao"])
def test_quantised_weights_are_refused(vit_folder: Path, method: str) -> None:
    quantised = {"quant_method": method, "bits": 4, "load_in_8bit": True, "quant_type": "int8_weight_only"}
    edit(vit_folder / "config.json", lambda config: config.update(quantization_config=quantised))
    with pytest.raises(QuantizedWeightsError, match="quantization_config"):
        load_model(vit_folder)


def test_integers_are_no_weights(vit_folder: Path) -> None:
    def quantise(tensors: dict[str, torch.Tensor]) -> None:
        tensors["classifier.weight"] = (100 * tensors["classifier.weight"]).to(torch.int8)

    edit_tensors(vit_folder / "model.safetensors", quantise)
    with pytest.raises(QuantizedWeightsError, match=r"classifier\.weight \(I8\)"):
        load_model(vit_folder)


def test_tensors_that_the_model_does_not_use_are_named(vit_folder: Path) -> None:
    adapter = {f"vit.layers.{i}.lora_A.weight": torch.zeros(2, 2) for i in range(7)}
    edit_tensors(vit_folder / "model.safetensors", lambda tensors: tensors.update(adapter))
    with pytest.raises(CorruptWeightsError, match=r"7 tensors that .*lora_A.* and 2 more"):
        load_model(vit_folder)


def test_a_config_with_fewer_layers_than_the_weights_is_refused(vit_folder: Path) -> None:
    edit(vit_folder / "config.json", lambda config: config.update(num_hidden_layers=1))
    with pytest.raises(CorruptWeightsError, match="has no use for"):
        load_model(vit_folder)


def test_counters_of_older_versions_are_passed_over(vit_folder: Path) -> None:
    before = load_model(vit_folder).digest()
    old = {"vit.embeddings.position_ids": torch.arange(5), "vit.norm.num_batches_tracked": torch.tensor(3)}
    edit_tensors(vit_folder / "model.safetensors", lambda tensors: tensors.update(old))
    assert load_model(vit_folder).digest() == before


def attention(folder: Path) -> str | None:
    """How the model in `folder` computes attention."""
    module = load_model(folder).module
    assert isinstance(module, transformers.PreTrainedModel)
    return module.config._attn_implementation


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
@pytest.mark.parametrize("name", ["kernels-community/anything@deadbeef", "flash_attention_2", "nope"])
def test_no_kernel_is_fetched_for_attention(vit_folder: Path, key: str, name: str) -> None:
    edit(vit_folder / "config.json", lambda config: config.update({key: name}))
    assert attention(vit_folder) == "sdpa"
    edit(vit_folder / "config.json", lambda config: config.update({key: "eager"}))
    assert attention(vit_folder) == "eager"


def test_weights_that_are_no_numbers_are_named(vit_folder: Path) -> None:
    bad = {"classifier.bias": torch.full((5,), float("nan"))}
    edit_tensors(vit_folder / "model.safetensors", lambda tensors: tensors.update(bad))
    model = load_model(vit_folder)
    model.resume(model.enter(pixels(), 1), 1)  # the embedding is not touched
    with torch.no_grad():
        model.linear(model.blocks[1].linears[0]).weight[0, 0] = float("inf")
    fresh = VisionModel(model.module, model.classes, preprocess=model.preprocess, name="broken")
    with pytest.raises(
        CorruptWeightsError, match=r"weights of broken hold NaN or infinity, in vit\..*classifier\.bias"
    ):
        fresh.resume(fresh.enter(pixels(), 1), 1)
