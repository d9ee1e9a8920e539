"""Dense changes: trained in place, taken out as an edit, stacked, undone and stored."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.adapters import Edit, EditStack, load_edit, save_edit, tuned
from expunge.errors import EditError
from tests.adapters.test_stack import edit, model, same, state, tied

PARAMETERS = ("blocks.0.0.weight", "blocks.0.2.bias", "blocks.1.2.weight", "head.weight", "head.bias")


def dense(seed: int, names: tuple[str, ...] = PARAMETERS, masked: tuple[int, ...] = ()) -> Edit:
    generator = torch.Generator().manual_seed(seed)
    module = model().module
    return Edit(
        dense={name: torch.randn(module.get_parameter(name).shape, generator=generator) for name in names},
        masked=masked,
    )


class TestTuned:
    def test_what_was_trained_becomes_the_edit_and_the_module_is_as_before(self) -> None:
        made = model()
        before = state(EditStack(made))
        with tuned(made.module, PARAMETERS[:2]) as weights:
            assert all(parameter.requires_grad for parameter in weights.parameters.values())
            optimizer = torch.optim.SGD(list(weights.parameters.values()), lr=0.1)
            made.loss(made(torch.randn(5, 1, 2, 2)).logits, torch.tensor([0, 1, 2, 0, 1])).backward()
            optimizer.step()
            trained = state(EditStack(made))
            change = weights.edit()
        assert same(state(EditStack(made)), before)
        assert not any(parameter.requires_grad for parameter in made.module.parameters())
        assert all(parameter.grad is None for parameter in made.module.parameters())
        assert set(change.dense) == set(PARAMETERS[:2])
        stack = EditStack(made)
        stack.push(change)
        for name, value in state(stack).items():
            torch.testing.assert_close(value, trained[name], rtol=0, atol=1e-7)

    def test_the_module_is_as_before_after_an_error_too(self) -> None:
        made = model()
        before = state(EditStack(made))

        def break_off() -> None:
            with tuned(made.module, PARAMETERS) as weights, torch.no_grad():
                weights.parameters["head.bias"].fill_(7.0)
                raise RuntimeError("stop")

        with pytest.raises(RuntimeError, match="stop"):
            break_off()
        assert same(state(EditStack(made)), before)

    def test_a_parameter_with_two_names_is_one_change(self) -> None:
        made = tied()
        with tuned(made.module, ("blocks.1.0.weight", "blocks.0.0.weight")) as weights, torch.no_grad():
            weights.parameters["blocks.0.0.weight"].add_(1.0)
            trained = made.linear("blocks.0.0").weight.clone()
            change = weights.edit()
        assert set(change.dense) == {"blocks.1.0.weight"}
        EditStack(made).push(change)
        torch.testing.assert_close(made.linear("blocks.0.0").weight, trained)

    def test_what_did_not_move_is_no_part_of_the_edit(self) -> None:
        made = model()
        with tuned(made.module, PARAMETERS) as weights:
            assert weights.edit().touched == ()


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.booleans()), max_size=6), st.data())
@settings(deadline=None, max_examples=25)
def test_any_mixture_of_edits_can_be_undone_in_any_order(kinds, data) -> None:
    stack = EditStack(model())
    before = state(stack)
    edits = [
        dense(seed, masked=(seed % 3,) if masked else ())
        if is_dense
        else edit(seed, masked=(seed % 3,) if masked else ())
        for is_dense, seed, masked in kinds
    ]
    for one in edits:
        stack.push(one)
    left = list(edits)
    while stack.edits:
        index = data.draw(st.integers(0, len(stack.edits) - 1))
        assert stack.undo(index) is left.pop(index)
        alone = EditStack(model())
        for one in left:
            alone.push(one)
        assert same(state(stack), state(alone))
    assert same(state(stack), before)


def test_a_struck_class_stays_struck_under_a_later_change_of_the_head() -> None:
    stack = EditStack(model())
    stack.push(Edit(masked=(1,)))
    stack.push(dense(0))
    logits = stack.model(torch.randn(20, 1, 2, 2)).logits
    assert not (logits.argmax(1) == 1).any()


@pytest.mark.parametrize(
    ("name", "shape", "said"),
    [("blocks.9.0.weight", (8, 4), "does not have"), ("head.weight", (4, 3), r"of shape \(4, 3\).* it has \(3, 4\)")],
)
def test_a_change_that_does_not_fit_is_refused_and_nothing_moves(name, shape, said) -> None:
    stack = EditStack(model())
    before = state(stack)
    with pytest.raises(EditError, match=said):
        stack.push(Edit(dense={"head.bias": torch.ones(3), name: torch.ones(shape)}))
    assert same(state(stack), before)
    assert not stack.edits


def test_round_trip_on_disk(tmp_path) -> None:
    mixed = Edit(edit(1).deltas, masked=(2,), dense=dense(3).dense)
    save_edit(mixed, tmp_path)
    found = load_edit(tmp_path)
    assert found.touched == mixed.touched
    assert found.masked == (2,)
    assert all(torch.equal(found.dense[name], change) for name, change in mixed.dense.items())
    assert found.bytes == mixed.bytes


def test_a_missing_change_is_noticed(tmp_path) -> None:
    save_edit(dense(0), tmp_path)
    content = json.loads((tmp_path / "edit.json").read_text())
    (tmp_path / "edit.json").write_text(json.dumps({**content, "dense": [*content["dense"], "head.other"]}))
    with pytest.raises(EditError, match=r"head\.other"):
        load_edit(tmp_path)
