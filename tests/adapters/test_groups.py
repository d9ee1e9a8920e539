import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from expunge.adapters import LoRALinear, group_norms, group_penalty, make_groups, proximal_step
from expunge.values import Block

BLOCKS = (Block("one", ("one.up", "one.down")), Block("two", ("two.up", "two.down")))


def layers() -> dict[str, LoRALinear]:
    generator = torch.Generator().manual_seed(0)
    return {name: LoRALinear(nn.Linear(3, 5), 2, 1.0, generator) for block in BLOCKS for name in block.linears}


@pytest.mark.parametrize(
    ("grouping", "names", "sizes"),
    [
        ("block", ["one", "two"], {4}),
        ("lora", ["one.up", "one.down", "two.up", "two.down"], {2}),
        ("matrix", [f"{b}.{n}.lora_{m}" for b in ("one", "two") for n in ("up", "down") for m in "ab"], {1}),
    ],
)
def test_groupings(grouping, names, sizes) -> None:
    groups = make_groups(layers(), BLOCKS, grouping)
    assert list(groups) == names
    assert {len(tensors) for tensors in groups.values()} == sizes


def test_a_block_without_lora_has_no_group() -> None:
    only = {name: layer for name, layer in layers().items() if name.startswith("two")}
    assert list(make_groups(only, BLOCKS)) == ["two"]


def test_norms_and_penalty_by_hand() -> None:
    groups = {"x": (torch.tensor([3.0]), torch.tensor([[4.0]])), "y": (torch.tensor([5.0, 12.0]),)}
    assert {name: norm.item() for name, norm in group_norms(groups).items()} == {"x": 5.0, "y": 13.0}
    assert group_penalty(groups).item() == 18.0


def test_penalty_gradient_is_the_unit_vector_and_zero_at_zero() -> None:
    x, zero = torch.tensor([3.0, 4.0], requires_grad=True), torch.zeros(2, requires_grad=True)
    gradients = torch.autograd.grad(group_penalty({"x": (x,), "zero": (zero,)}), (x, zero))
    torch.testing.assert_close(gradients[0], torch.tensor([0.6, 0.8]))
    assert torch.equal(gradients[1], torch.zeros(2))


def test_proximal_step_by_hand() -> None:
    far, near = torch.tensor([3.0, 4.0]), torch.tensor([0.3, 0.4])
    proximal_step({"far": (far,), "near": (near,)}, 1.0)
    torch.testing.assert_close(far, torch.tensor([2.4, 3.2]))  # 1 - 1/5
    assert torch.equal(near, torch.zeros(2))


def test_by_size_scales_the_threshold_with_the_root_of_the_entries() -> None:
    group = torch.full((4,), 1.0)  # norm 2, root of size 2
    proximal_step({"g": (group,)}, 0.25, by_size=True)
    torch.testing.assert_close(group, torch.full((4,), 0.75))


@given(st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=6), st.floats(0.01, 5))
def test_proximal_step_solves_its_minimisation(values, threshold) -> None:
    """prox minimises ½‖x - v‖² + t·‖x‖: no point on the ray through v, nor nearby, does better."""
    start = torch.tensor(values, dtype=torch.float64)
    found = start.clone()
    proximal_step({"g": (found,)}, threshold)

    def objective(x: torch.Tensor) -> float:
        return 0.5 * float((x - start).square().sum()) + threshold * float(x.norm())

    best = objective(found)
    for factor in (0.0, 0.5, 0.9, 0.99, 1.01, 1.1):
        assert best <= objective(found * factor) + 1e-9
    assert best <= objective(start) + 1e-9
    norm = float(start.norm())
    assert float(found.norm()) == pytest.approx(max(0.0, norm - threshold), abs=1e-6)
