import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from expunge.adapters import Edit, EditStack, LowRank
from expunge.errors import EditError
from expunge.vision import VisionModel, standard_preprocess
from expunge.vision.heads import STRUCK_LOGIT

NAN = float("nan")
NAMES = ("blocks.0.0", "blocks.0.2", "blocks.1.0", "blocks.1.2")


class Network(nn.Module):
    """Two residual feed-forward blocks and a head."""

    def __init__(self, bias: bool = True) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 4)) for _ in range(2))
        self.head = nn.Linear(4, 3, bias=bias)

    def forward(self, pixels):
        x = pixels.flatten(1)
        for block in self.blocks:
            x = x + block(x)
        return self.head(x)


def model(bias: bool = True) -> VisionModel:
    torch.manual_seed(0)
    preprocess = standard_preprocess(2, mean=(0.5,) * 3, std=(0.5,) * 3)
    return VisionModel(Network(bias), ("a", "b", "c"), preprocess=preprocess)


def edit(seed: int, names: tuple[str, ...] = NAMES, masked: tuple[int, ...] = ()) -> Edit:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"0": (8, 4), "2": (4, 8)}
    deltas = {}
    for name in names:
        out, inner = shapes[name[-1]]
        a = torch.randn(2, inner, generator=generator)
        deltas[name] = LowRank(a, torch.randn(out, 2, generator=generator), 0.5)
    return Edit(deltas, masked)


def malformed(a: tuple[int, ...], b: tuple[int, ...]) -> LowRank:
    """Shapes that the tests' own checks of types would not let pass."""
    low = LowRank(torch.zeros(1, 1), torch.zeros(1, 1))
    object.__setattr__(low, "a", torch.zeros(a))
    object.__setattr__(low, "b", torch.zeros(b))
    return low


def state(stack: EditStack) -> dict[str, torch.Tensor]:
    return {name: t.clone() for name, t in stack.model.module.state_dict().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def test_merge_is_the_sum_of_the_deltas() -> None:
    stack = EditStack(model())
    before = state(stack)
    first, second = edit(1), edit(2)
    stack.push(first)
    stack.push(second)
    for name in NAMES:
        low = [e.deltas[name] for e in (first, second)]
        expected = before[f"{name}.weight"].double() + sum(0.5 * x.b.double() @ x.a.double() for x in low)
        torch.testing.assert_close(stack.model.linear(name).weight, expected.float(), rtol=0, atol=1e-7)
    assert torch.equal(stack.model.linear("head").weight, before["head.weight"])


def test_merged_model_computes_what_base_and_lora_compute() -> None:
    stack = EditStack(model())
    x = torch.randn(5, 4, 1, 1)
    change = edit(1, names=("blocks.1.2",))
    hidden = []
    handle = stack.model.linear("blocks.1.2").register_forward_pre_hook(lambda m, a: hidden.append(a[0]))
    before = stack.model(x).logits
    handle.remove()
    low = change.deltas["blocks.1.2"]
    expected = before + 0.5 * hidden[0] @ low.a.T @ low.b.T @ stack.model.linear("head").weight.T
    stack.push(change)
    torch.testing.assert_close(stack.model(x).logits, expected)


@settings(max_examples=20)
@given(st.data())
def test_undoing_any_edits_leaves_exactly_the_others(data) -> None:
    count = data.draw(st.integers(1, 5))
    edits = [
        edit(
            data.draw(st.integers(0, 99)),
            tuple(data.draw(st.sets(st.sampled_from(NAMES)))),
            tuple(data.draw(st.sets(st.integers(0, 2), max_size=2))),
        )
        for _ in range(count)
    ]
    stack = EditStack(model())
    for one in edits:
        stack.push(one)
    gone = data.draw(st.lists(st.integers(0, count - 1), unique=True))
    for index in sorted(gone, reverse=True):
        assert stack.undo(index) is edits[index]
    alone = EditStack(model())
    for index, one in enumerate(edits):
        if index not in gone:
            alone.push(one)
    assert same(state(stack), state(alone))


def test_undoing_all_restores_every_bit() -> None:
    stack = EditStack(model())
    before = state(stack)
    for seed in range(5):
        stack.push(edit(seed, masked=(seed % 3,)))
    assert not same(state(stack), before)
    for _ in range(5):
        stack.undo()
    assert same(state(stack), before)
    assert stack.edits == ()


@pytest.mark.parametrize("bias", [True, False])
def test_a_struck_class_never_wins_and_undo_brings_it_back(bias) -> None:
    stack = EditStack(model(bias))
    before, x = state(stack), torch.randn(50, 4, 1, 1)
    winners = stack.model(x).logits.argmax(1)
    assert 1 in winners
    stack.push(Edit(masked=(1,)))
    logits = stack.model(x).logits
    assert torch.all(logits[:, 1] == STRUCK_LOGIT)
    assert torch.all(logits.softmax(1)[:, 1] == 0)
    assert stack.masked == (1,)
    stack.undo()
    assert same(state(stack), before)
    assert torch.equal(stack.model(x).logits.argmax(1), winners)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (Edit({"blocks.9.0": LowRank(torch.zeros(1, 4), torch.zeros(8, 1))}), "does not have"),
        (Edit({"blocks.0.0": LowRank(torch.zeros(1, 5), torch.zeros(8, 1))}), r"of shape \(8, 5\)"),
        (Edit({"blocks.0.0": malformed((2, 4), (8, 3))}), r"A of shape \(2, 4\) and B of \(8, 3\)"),
        (Edit({"blocks.0.0": malformed((4,), (8, 4))}), r"A of shape \(4,\)"),
        (Edit({"blocks.0.0": LowRank(torch.zeros(1, 4), torch.zeros(8, 1), NAN)}), "the scale nan"),
        (Edit({"blocks.0.0": LowRank(torch.full((1, 4), NAN), torch.zeros(8, 1))}), "holds NaN"),
        (Edit(dense={"head.bias": torch.full((3,), float("inf"))}), "'head.bias' holds NaN or infinity"),
        (Edit(masked=(3,)), r"class indices \[3\]; the model has 3"),
    ],
)
def test_an_edit_that_does_not_fit_changes_nothing(bad, message) -> None:
    stack = EditStack(model())
    before = state(stack)
    with pytest.raises(EditError, match=message):
        stack.push(bad)
    assert same(state(stack), before)
    assert stack.edits == ()


def test_undo_of_nothing_is_an_error() -> None:
    with pytest.raises(EditError, match="the stack holds 0"):
        EditStack(model()).undo()


def test_a_rebuild_that_fails_leaves_the_model_as_it_was(monkeypatch) -> None:
    stack = EditStack(model())
    stack.push(edit(1))
    before, changes = state(stack), LowRank.delta

    def fail(low: LowRank) -> torch.Tensor:
        if low is broken.deltas[NAMES[-1]]:
            raise MemoryError
        return changes(low)

    broken = edit(2, masked=(1,))
    monkeypatch.setattr(LowRank, "delta", fail)
    with pytest.raises(MemoryError):
        stack.push(broken)
    assert len(stack.edits) == 1
    assert same(state(stack), before)


def tied() -> VisionModel:
    """The lowest layer of both blocks is one."""
    found = model()
    found.linear("blocks.1.0").weight = found.linear("blocks.0.0").weight
    return found


@pytest.mark.parametrize("gone", [0, 1])
def test_undo_is_exact_for_a_parameter_with_two_names(gone) -> None:
    whole = state(EditStack(tied()))
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(8, 4, generator=generator) for _ in range(2))
    edits = (Edit(dense={"blocks.0.0.weight": first}), Edit(dense={"blocks.1.0.weight": second}))
    stack, alone = EditStack(tied()), EditStack(tied())
    for one in edits:
        stack.push(one)
    stack.undo(gone)
    alone.push(edits[1 - gone])
    assert same(state(stack), state(alone))
    stack.undo()
    assert same(state(stack), whole)
    both = Edit(dense={"blocks.0.0.weight": first, "blocks.1.0.weight": second})
    stack.push(both)
    expected = (whole["blocks.0.0.weight"].double() + first + second).float()
    assert torch.equal(stack.model.linear("blocks.0.0").weight, expected)
    stack.undo()
    assert same(state(stack), whole)


def test_a_bias_that_only_struck_classes_made_cannot_be_changed() -> None:
    stack = EditStack(model(bias=False))
    before = state(stack)
    stack.push(Edit(masked=(1,)))
    with pytest.raises(EditError, match=r"'head.bias', which this model has only while"):
        stack.push(Edit(dense={"head.bias": torch.ones(3)}))
    stack.undo()
    assert same(state(stack), before)
    with pytest.raises(EditError, match=r"'head.bias', which this model does not have"):
        stack.push(Edit(dense={"head.bias": torch.ones(3)}))
