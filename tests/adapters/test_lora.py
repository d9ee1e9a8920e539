import math

import pytest
import torch
from torch import nn

from expunge.adapters import LoRALinear, attached, to_edit


def layer(rank: int = 2, scale: float = 0.5) -> LoRALinear:
    return LoRALinear(nn.Linear(3, 4), rank, scale, torch.Generator().manual_seed(0))


def test_starts_as_the_base_layer() -> None:
    lora = layer()
    x = torch.randn(5, 3)
    assert torch.equal(lora(x), lora.base(x))


def test_forward_by_hand() -> None:
    lora = layer()
    with torch.no_grad():
        lora.base.weight.zero_()
        lora.base.bias.fill_(1.0)
        lora.lora_a.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]]))
        lora.lora_b.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]))
    # A x = (3, 8); B A x = (3, 8, 11, 0); halved, plus the bias of 1.
    assert lora(torch.tensor([3.0, 4.0, 5.0])).tolist() == [2.5, 5.0, 6.5, 1.0]


def test_weight_and_bias_are_the_effective_ones() -> None:
    lora = layer()
    nn.init.normal_(lora.lora_b)
    x = torch.randn(5, 3)
    torch.testing.assert_close(nn.functional.linear(x, lora.weight, lora.bias), lora(x))
    assert (lora.in_features, lora.out_features) == (3, 4)


def test_a_is_kaiming_uniform() -> None:
    lora = LoRALinear(nn.Linear(400, 4), 64, 1.0, torch.Generator().manual_seed(0))
    limit = 1 / math.sqrt(400)  # gain sqrt(2 / (1 + 5)) times sqrt(3 / fan_in)
    assert lora.lora_a.abs().max() <= limit
    assert lora.lora_a.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.02)


class TestAttached:
    def module(self) -> nn.Module:
        torch.manual_seed(0)
        return nn.ModuleDict({"a": nn.Linear(3, 3), "b": nn.Sequential(nn.Linear(3, 3))})

    def test_wraps_and_puts_back_the_same_objects(self) -> None:
        module = self.module()
        before = dict(module.named_modules())
        with attached(module, ["a", "b.0"], rank=1, scale=1.0, seed=0) as layers:
            assert module.get_submodule("b.0") is layers["b.0"]
        assert dict(module.named_modules()) == before

    def test_puts_back_after_an_error(self) -> None:
        module = self.module()
        original = module.get_submodule("a")
        with pytest.raises(RuntimeError, match="inside"), attached(module, ["a"], rank=1, scale=1.0, seed=0):
            raise RuntimeError("inside")
        assert module.get_submodule("a") is original

    def test_refuses_what_is_no_linear_and_puts_back_the_rest(self) -> None:
        module = self.module()
        with pytest.raises(TypeError, match=r"at 'b': expected a torch\.nn\.Linear or Conv2d, found Seq"):  # noqa: SIM117
            with attached(module, ["a", "b"], rank=1, scale=1.0, seed=0):
                pass
        assert isinstance(module.get_submodule("a"), nn.Linear)

    def test_same_seed_same_start(self) -> None:
        starts = []
        for seed in (1, 1, 2):
            with attached(self.module(), ["a"], rank=2, scale=1.0, seed=seed) as layers:
                starts.append(layers["a"].lora_a.detach().clone())
        assert torch.equal(starts[0], starts[1])
        assert not torch.equal(starts[0], starts[2])

    def test_edit_leaves_out_layers_without_a_change(self) -> None:
        with attached(self.module(), ["a", "b.0"], rank=2, scale=0.25, seed=0) as layers:
            nn.init.ones_(layers["b.0"].lora_b)
            edit = to_edit(layers)
        assert list(edit.deltas) == ["b.0"]
        assert edit.deltas["b.0"].scale == 0.25
        assert edit.parameters == 2 * 3 + 3 * 2
        assert edit.bytes == 4 * edit.parameters
