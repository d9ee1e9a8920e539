"""Edits in float16: half the bytes, and the same bits in memory as on disk."""

from copy import deepcopy

import pytest
import torch
from safetensors import safe_open

from expunge.adapters import Edit, EditStack, LowRank, load_edit, save_edit
from expunge.vision import load_model
from tests.adapters.test_store import edit


def low_rank(size: float) -> LowRank:
    generator = torch.Generator().manual_seed(1)
    a, b = torch.randn(3, 20, generator=generator) * size, torch.randn(10, 3, generator=generator)
    return LowRank(a, b, 0.5)


@pytest.mark.parametrize("size", [1e-30, 1e-6, 1.0, 1e6, 1e30])
def test_the_change_keeps_three_digits_at_any_size(size: float) -> None:
    whole = low_rank(size)
    half = whole.half()
    assert (half.a.dtype, half.b.dtype) == (torch.float16, torch.float16)
    lost = (half.delta() - whole.delta()).norm() / whole.delta().norm()
    assert 0 < lost < 1e-3  # rounded to 11 bits: at most 2^-11 in each factor


def test_values_that_float16_holds_are_kept_bit_for_bit() -> None:
    exact = LowRank(torch.tensor([[3.0, -0.5, 0.0]]), torch.tensor([[1024.0], [0.25]]), 0.5)
    assert torch.equal(exact.half().delta(), exact.delta())
    assert exact.half().b.flatten().tolist() == [1.0, 2.0**-12]
    assert exact.half().scale == 0.5 * 2 * 1024
    nothing = LowRank(torch.zeros(1, 3), torch.zeros(2, 1)).half()
    assert (nothing.scale, float(nothing.delta().abs().max())) == (1.0, 0.0)


def test_half_the_bytes_and_dense_changes_untouched() -> None:
    dense = {"head.bias": torch.tensor([1e-9, 3.0])}
    whole = Edit({"fc": low_rank(1.0)}, masked=(2,), dense=dense)
    half = whole.half()
    assert half.bytes - 8 == (whole.bytes - 8) / 2
    assert torch.equal(half.dense["head.bias"], dense["head.bias"])
    assert half.masked == (2,)


def test_on_disk_and_in_memory_are_the_same_edit_and_undo_is_exact(tmp_path, toy_model_folder) -> None:
    model = load_model(toy_model_folder)
    layers = "vit.layers" if hasattr(model.module.vit, "layers") else "vit.encoder.layer"
    made = Edit({name.replace("vit.layers", layers): low for name, low in edit().deltas.items()}, masked=(1,)).half()
    save_edit(made, tmp_path / "a")
    with safe_open(tmp_path / "a/adapter_model.safetensors", "pt") as file:
        assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"F16"}  # noqa: SIM118 - no mapping
    found = load_edit(tmp_path / "a")
    save_edit(found, tmp_path / "b")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()

    before = deepcopy(model.module.state_dict())
    stack = EditStack(model)
    stack.push(made)
    applied = deepcopy(model.module.state_dict())
    stack.undo()
    assert all(torch.equal(value, before[name]) for name, value in model.module.state_dict().items())
    stack.push(found)
    assert all(torch.equal(value, applied[name]) for name, value in model.module.state_dict().items())
    assert any(not torch.equal(value, before[name]) for name, value in applied.items() if name in before)


def test_peft_itself_reads_it(tmp_path, toy_model_folder) -> None:
    peft = pytest.importorskip("peft")
    from transformers import ViTForImageClassification

    model = load_model(toy_model_folder)
    layers = "vit.layers" if hasattr(model.module.vit, "layers") else "vit.encoder.layer"
    made = Edit({name.replace("vit.layers", layers): low for name, low in edit().deltas.items()}).half()
    save_edit(made, tmp_path)
    x = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        base = ViTForImageClassification.from_pretrained(toy_model_folder)
        theirs = peft.PeftModel.from_pretrained(base, tmp_path).eval()(x)
        stack = EditStack(model)
        stack.push(made)
        torch.testing.assert_close(stack.model(x).logits, theirs.logits, rtol=1e-4, atol=1e-4)
