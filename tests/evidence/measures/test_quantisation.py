"""Rounded weights: by hand, and taken back bit for bit."""

import pytest
import torch
from torch import nn

from expunge.errors import EvidenceError
from expunge.evidence import Case
from expunge.evidence.measures.quantisation import Quantisation, quantise, quantised
from expunge.runs.measuring import known_keys
from expunge.vision import CosFaceHead, VisionModel
from expunge.vision.classifiers import CosineClassifier
from tests.evidence.measures import marks


def test_quantise_by_hand() -> None:
    # Three bits: whole numbers from -3 to 3. The first channel's step is 1, the second's 0.5, the third has none.
    weight = torch.tensor([[3.0, -1.4, 0.5, 1.5], [-1.5, 0.2, 0.3, 0.0], [0.0, 0.0, 0.0, 0.0]])
    expected = torch.tensor([[3.0, -1.0, 0.0, 2.0], [-1.5, 0.0, 0.5, 0.0], [0.0, 0.0, 0.0, 0.0]])
    assert torch.equal(quantise(weight, 3), expected)


def test_quantise_of_a_kernel_is_channel_by_channel() -> None:
    weight = torch.randn(4, 3, 5, 5)
    rounded = quantise(weight, 8)
    steps = weight.abs().amax((1, 2, 3)) / 127
    assert rounded.shape == weight.shape
    assert ((rounded - weight).abs().amax((1, 2, 3)) <= steps / 2 + 1e-6).all()
    assert all(len(torch.unique(channel)) <= 255 for channel in rounded)
    assert torch.equal(quantise(rounded, 8), rounded)


def test_quantise_keeps_the_dtype_and_refuses_one_bit() -> None:
    assert quantise(torch.randn(2, 2).bfloat16(), 8).dtype == torch.bfloat16
    with pytest.raises(EvidenceError, match="at least 2 bits"):
        quantise(torch.randn(2, 2), 1)
    with pytest.raises(EvidenceError, match="8 or 4"):
        Quantisation(bits=6)


def test_every_layer_is_rounded_and_every_bit_comes_back() -> None:
    model = marks.wrap(marks.MarkReader(CosineClassifier(marks.WIDTH, len(marks.CLASSES))), CosFaceHead())
    before = model.digest()
    pristine = {name: tensor.clone() for name, tensor in model.module.named_parameters()}
    with quantised(model, 4):
        for name, now in model.module.named_parameters():
            layer = model.module.get_submodule(name.rpartition(".")[0])
            rounds = name.endswith("weight") and isinstance(layer, nn.Linear | nn.Conv2d | CosineClassifier)
            assert torch.equal(now, pristine[name]) is not rounds, name
    assert model.digest() == before
    with pytest.raises(KeyboardInterrupt), quantised(model, 4):
        raise KeyboardInterrupt
    assert model.digest() == before


def test_rows_again_under_the_rounded_model(original_case: Case, original_model: VisionModel) -> None:
    before = original_model.digest()
    rows = {row.key: row for row in Quantisation().measure(original_case)}
    assert original_model.digest() == before
    probe = {"int8_linear_probe", "int8_linear_probe_worst", "int8_linear_probe_retained"}
    in_place = {"int8_rows_in_place_acc_f", "int8_rows_in_place_acc_o"}
    assert set(rows) == {"int8_acc_f", "int8_acc_r", "int8_acc_o"} | probe | in_place
    assert set(rows) <= set(Quantisation.labels)
    assert rows["int8_acc_f"].value > 80
    assert rows["int8_linear_probe"].value > 80
    assert Quantisation().missing(original_case) is None


def test_every_pass_is_one_of_the_rounded_model(original_case: Case, original_model: VisionModel) -> None:
    """Four bits have 15 values a channel; a row of the head has 24 of its own."""
    head = original_model.module.get_submodule(original_model.head_name)
    weight, seen = head.get_parameter("weight"), []
    assert len(torch.unique(weight[0])) == marks.WIDTH
    hook = head.register_forward_pre_hook(lambda *call: seen.append(len(torch.unique(weight[0]))))
    try:
        Quantisation(bits=4).measure(original_case)
    finally:
        hook.remove()
    assert seen
    assert max(seen) <= 15


def test_only_rows_that_it_can_give_have_a_label(original_case: Case) -> None:
    assert all(key.startswith("int8_") for key in Quantisation.labels)
    four = Quantisation(bits=4)
    assert {row.key for row in four.measure(original_case)} <= set(four.labels)
    assert four.labels["int4_acc_f"] == "Acc_f, INT4"
    assert "int4_acc_f" not in known_keys()


def test_cannot_fire_on_the_oracle(oracle_case: Case) -> None:
    rows = {row.key: row.value for row in Quantisation().measure(oracle_case)}
    assert rows["int8_acc_f"] < 10
    assert rows["int8_acc_r"] > 80
    assert rows["int8_linear_probe"] < 65
    assert rows["int8_rows_in_place_acc_f"] < 10


def test_a_struck_row_is_back_under_the_rounded_model(masked_case: Case) -> None:
    rows = {row.key: row.value for row in Quantisation().measure(masked_case)}
    assert rows["int8_acc_f"] == 0
    assert rows["int8_rows_in_place_acc_f"] > 80
