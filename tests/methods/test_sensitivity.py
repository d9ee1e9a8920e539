"""Which positions count, against Jacobians taken in full."""

import pytest
import torch
from torch import Tensor

from expunge.methods._sensitivity import Rows, draw, sensitivities
from expunge.methods._sites import find_sites
from expunge.vision import VisionModel
from tests.methods import tiny
from tests.vision.conformance import randomise


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def shares_of(model: VisionModel, first: int, hidden: Tensor) -> list[Tensor]:
    return sensitivities(model, first, hidden, find_sites(model, first), generator=generator())


def states(model: VisionModel, block: int) -> Tensor:
    with torch.no_grad():
        return model.enter(tiny.draw_images(1, 0)[0], block)


def test_a_class_token_leaves_nothing_to_the_others_after_the_last_block() -> None:
    model = tiny.wrapped(randomise(tiny.vit()))
    before, last = shares_of(model, 2, states(model, 2))
    assert last.tolist() == [1.0] + 16 * [0.0]
    assert (before > 0).all()  # the last block's attention still looks at all of them


def test_a_mean_gives_all_the_same() -> None:
    model = tiny.wrapped(randomise(tiny.mean_vit()))
    assert shares_of(model, 3, states(model, 3))[-1].tolist() == pytest.approx([0.0] + 16 * [1 / 16])


def test_against_the_full_jacobian() -> None:
    model = tiny.wrapped(randomise(tiny.vit()))
    low, high = 1, 3  # the states after block 2 enter block 3
    one = states(model, low)[:1]
    with torch.no_grad():
        after = model.advance(model.advance(one, 1), 2)
    jacobian = torch.autograd.functional.jacobian(lambda hidden: model.resume(hidden, high).embedding, after)
    assert isinstance(jacobian, Tensor)
    expected = jacobian.square().sum(dim=(0, 1, 2, 4))
    found = shares_of(model, low, one.expand(800, -1, -1))[1]
    torch.testing.assert_close(found, expected / expected.sum(), rtol=0.1, atol=0.005)


@pytest.mark.parametrize(("build", "positions"), [(tiny.swin, [64, 64, 16, 16]), (tiny.convnext, [64, 64, 16, 16])])
def test_shares_of_every_stage_add_up_to_one(build, positions) -> None:
    model = tiny.wrapped(randomise(build()))
    found = shares_of(model, 0, states(model, 0))
    assert [len(share) for share in found] == positions
    for share in found:
        assert (share >= 0).all()
        assert share.sum().item() == pytest.approx(1.0, abs=1e-5)


def test_works_where_gradients_are_off_and_leaves_none() -> None:
    model = tiny.wrapped(randomise(tiny.vit()))
    with torch.no_grad():
        found = shares_of(model, 2, states(model, 2))
    assert not any(share.requires_grad for share in found)
    assert all(p.grad is None and not p.requires_grad for p in model.module.parameters())
    assert torch.equal(found[0], shares_of(model, 2, states(model, 2))[0])  # the same draw of v


class TestRows:
    def test_values_and_counts_by_hand(self) -> None:
        values = torch.arange(2 * 3 * 2).view(2, 3, 2).float()
        rows = Rows(torch.tensor([[2, 0], [1, 1]]), torch.tensor([[0.25, 0.75], [0.5, 0.5]]))
        assert rows.of(values).tolist() == [[4.0, 5.0], [0.0, 1.0], [8.0, 9.0], [8.0, 9.0]]
        assert rows.counted(torch.tensor([0.4, 0.6])).tolist() == pytest.approx([0.1, 0.3, 0.3, 0.3])

    def test_few_positions_are_all_taken_by_their_share(self) -> None:
        share = torch.tensor([0.5, 0.2, 0.3])
        rows = draw(share, 2, 3, generator())
        assert rows.positions.tolist() == [[0, 1, 2], [0, 1, 2]]
        assert torch.equal(rows.weights, share.expand(2, -1))

    def test_many_are_drawn_in_proportion(self) -> None:
        share = torch.tensor([0.5, 0.0, 0.2, 0.25, 0.05])
        rows = draw(share, 5000, 4, generator())
        assert rows.positions.shape == rows.weights.shape == (5000, 4)
        assert (rows.weights == 0.25).all()
        frequencies = rows.positions.flatten().bincount(minlength=5) / 20_000
        assert frequencies[1] == 0
        # Five standard errors of a frequency, at most √(p(1 − p)/n).
        torch.testing.assert_close(frequencies, share, rtol=0, atol=5 * 0.5 / 20_000**0.5)

    def test_one_seed_one_draw(self) -> None:
        share = torch.full((40,), 1 / 40)
        assert torch.equal(draw(share, 7, 5, generator()).positions, draw(share, 7, 5, generator()).positions)
