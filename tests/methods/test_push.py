"""Pushed states: how far, by hand, and to where a linear head says more of the classes."""

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

from expunge.methods._push import pushed, scatter
from expunge.methods._states import States
from expunge.vision import Output, VisionModel


class Linear(VisionModel):
    """A model whose blocks do nothing: the head reads the state."""

    def __init__(self, rows: list[list[float]]):  # nothing else of a model is asked for
        self.rows = nn.Parameter(torch.tensor(rows))

    def resume(self, hidden: Float[Tensor, "n *hidden"], block: int, *, size: tuple[int, int] | None = None) -> Output:
        return Output(hidden, hidden @ self.rows.T)


def states(*rows: tuple[int, list[float]]) -> States:
    return States(torch.tensor([values for _, values in rows]), torch.tensor([label for label, _ in rows]))


class TestScatter:
    def test_of_two_and_three(self) -> None:
        """Distances 1, 1 of two, so √2; and 2, 2, 4 of three, times √(3 / 2). A class of one says nothing."""
        given = states((5, [0.0]), (2, [1.0]), (5, [2.0]), (2, [1.0]), (2, [7.0]), (9, [50.0]))
        assert scatter(given) == pytest.approx((2 * 2**0.5 + 8 * 1.5**0.5) / 5)

    def test_of_single_states_there_is_none(self) -> None:
        assert scatter(states((0, [0.0, 1.0]), (1, [9.0, 1.0]))) == 0.0


class TestPushed:
    def test_along_the_difference_of_rows(self) -> None:
        """With two classes the log-odds of the first grow along w₀ − w₁ = (3, 4), of length 5, from anywhere."""
        model = Linear([[3.0, 3.0], [0.0, -1.0]])
        given = states((0, [0.1, 0.2]), (0, [-0.3, 0.0]))
        moved = pushed(model, 0, given, (0,), torch.tensor([1.0, 10.0]))
        expected = given.hidden + torch.tensor([[0.6, 0.8], [6.0, 8.0]])
        assert torch.allclose(moved.hidden, expected, atol=1e-5)
        assert torch.equal(moved.labels, given.labels)
        assert model.rows.grad is None

    def test_raises_what_several_classes_are_given_together(self) -> None:
        torch.manual_seed(0)
        model = Linear(torch.randn(6, 4).tolist())
        given = States(torch.randn(20, 4), torch.zeros(20, dtype=torch.int64))
        before = model.resume(given.hidden, 0).logits.softmax(1)[:, [1, 4]].sum(1)
        moved = pushed(model, 0, given, (1, 4), torch.full((20,), 0.1))
        after = model.resume(moved.hidden, 0).logits.softmax(1)[:, [1, 4]].sum(1)
        assert (after > before).all()
        assert torch.allclose((moved.hidden - given.hidden).norm(dim=1), torch.full((20,), 0.1), atol=1e-5)

    def test_where_nothing_tells_the_direction_a_state_stays(self) -> None:
        given = states((0, [0.1, 0.2]))
        moved = pushed(Linear([[1.0, 1.0], [1.0, 1.0]]), 0, given, (0,), torch.tensor([1.0]))
        assert torch.equal(moved.hidden, given.hidden)
