import json
from pathlib import Path

import pytest
import torch

from expunge.adapters import Edit, EditStack, LowRank, load_edit, save_edit
from expunge.errors import EditError


def edit(ranks: tuple[int, int] = (2, 2), scales: tuple[float, float] = (0.5, 0.5)) -> Edit:
    generator = torch.Generator().manual_seed(0)
    names = ("vit.layers.0.mlp.fc1", "vit.layers.2.mlp.fc2")
    shapes = ((96, 48), (48, 96))
    return Edit(
        {
            name: LowRank(
                torch.randn(rank, inner, generator=generator), torch.randn(out, rank, generator=generator), scale
            )
            for name, (out, inner), rank, scale in zip(names, shapes, ranks, scales, strict=True)
        },
        masked=(4, 1),
    )


def test_round_trip(tmp_path) -> None:
    save_edit(edit(), tmp_path)
    found = load_edit(tmp_path)
    assert found.masked == (1, 4)
    for name, low in edit().deltas.items():
        assert torch.equal(found.deltas[name].a, low.a)
        assert torch.equal(found.deltas[name].b, low.b)
        assert found.deltas[name].scale == low.scale


def test_equal_edits_have_equal_bytes(tmp_path) -> None:
    turned = Edit(dict(reversed(list(edit().deltas.items()))), masked=(1, 4))
    save_edit(edit(), tmp_path / "a")
    save_edit(turned, tmp_path / "b")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_a_mask_alone_needs_no_adapter_file(tmp_path) -> None:
    save_edit(Edit(masked=(2,)), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["edit.json"]
    assert load_edit(tmp_path).masked == (2,)


@pytest.mark.parametrize(("ranks", "scales"), [((2, 2), (0.5, 0.5)), ((2, 3), (0.5, 0.25))], ids=["uniform", "mixed"])
def test_peft_itself_gives_the_same_logits(tmp_path, toy_model_folder, ranks, scales) -> None:
    peft = pytest.importorskip("peft")
    from transformers import ViTForImageClassification

    from expunge.vision import load_model

    layers = "vit.layers" if hasattr(load_model(toy_model_folder).module.vit, "layers") else "vit.encoder.layer"
    first = edit(ranks, scales)
    fitting = Edit({name.replace("vit.layers", layers): low for name, low in first.deltas.items()})
    save_edit(fitting, tmp_path)
    x = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        theirs = peft.PeftModel.from_pretrained(
            ViTForImageClassification.from_pretrained(toy_model_folder), tmp_path
        ).eval()(x)
        stack = EditStack(load_model(toy_model_folder))
        untouched = stack.model(x).logits
        stack.push(fitting)
        ours = stack.model(x).logits
    assert not torch.allclose(ours, untouched, atol=0.1)
    torch.testing.assert_close(ours, theirs.logits, rtol=1e-4, atol=1e-4)


def _damage(folder: Path, how: str) -> None:
    weights, extra = folder / "adapter_model.safetensors", folder / "edit.json"
    if how == "truncated":
        weights.write_bytes(weights.read_bytes()[:-8])
    elif how == "garbage":
        weights.write_bytes(b"\x80\x04pickle")
    elif how == "no weights":
        weights.unlink()
    elif how == "other schema":
        extra.write_text(json.dumps({**json.loads(extra.read_text()), "schema": "expunge/edit/v9"}))
    elif how == "unknown layer":
        extra.write_text(json.dumps({**json.loads(extra.read_text()), "scales": {"x": 1.0}}))
    elif how == "no json":
        extra.write_text("{")


@pytest.mark.parametrize("how", ["truncated", "garbage", "no weights", "other schema", "unknown layer", "no json"])
def test_damage_is_one_clear_error(tmp_path, how) -> None:
    save_edit(edit(), tmp_path)
    _damage(tmp_path, how)
    with pytest.raises(EditError, match=str(tmp_path)):
        load_edit(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        b'{"schema": "expunge/edit/v1", "masked": ["x"], "scales": {}}',
        b'{"schema": "expunge/edit/v1", "masked": [1e400], "scales": {}}',
        b'{"schema": "expunge/edit/v1", "masked": "12", "scales": {}}',
        b'{"schema": "expunge/edit/v1", "masked": [], "scales": {"a": "x"}}',
        b'{"schema": "expunge/edit/v1", "masked": [], "scales": {"a": 1' + b"0" * 400 + b"}}",
        b'{"schema": "expunge/edit/v1", "masked": [], "scales": []}',
        b"[1]",
        b"\xff\xfe",
        b"[" * 100_000,
    ],
    ids=range(9),
)
def test_odd_values_are_one_clear_error(tmp_path, text) -> None:
    save_edit(Edit(masked=(1,)), tmp_path)
    (tmp_path / "edit.json").write_bytes(text)
    with pytest.raises(EditError, match=f"{tmp_path.name} does not hold a readable edit"):
        load_edit(tmp_path)


def test_changes_that_are_one_tensor_can_be_stored(tmp_path) -> None:
    shared = torch.arange(8.0).view(4, 2)
    save_edit(Edit({"c": LowRank(shared[:2], shared[1:])}, dense={"a": shared, "b": shared}), tmp_path)
    found = load_edit(tmp_path)
    assert torch.equal(found.dense["a"], shared)
    assert torch.equal(found.dense["b"], shared)
    assert torch.equal(found.deltas["c"].b, shared[1:])
