"""One class's statistics against numpy, which sees all states at once."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from expunge.errors import ClassMemoryError
from expunge.memory import Accumulator, ClassStatistics

SHAPE, D, RANK = (3, 4), 5, 8


def states(n: int, seed: int = 0, spread: tuple[float, ...] | None = None) -> torch.Tensor:
    """Hidden states around a mean far from zero; `spread` gives the standard deviations of their directions."""
    rng = np.random.default_rng(seed)
    size = int(np.prod(SHAPE))
    deviations = np.array(spread if spread else [1.0] * size)
    directions = np.linalg.qr(rng.normal(size=(size, size)))[0][: len(deviations)]
    values = 50 + (rng.normal(size=(n, len(deviations))) * deviations) @ directions
    return torch.from_numpy(values.reshape(n, *SHAPE)).float()


def accumulated(hidden: torch.Tensor, *batches: int, rank: int = RANK) -> ClassStatistics:
    found = Accumulator(rank)
    for part in hidden.split(batches or (len(hidden),)):
        found.add(part, part.flatten(1)[:, :D])
    return found.result()


def covariance(found: ClassStatistics) -> np.ndarray:
    rows = found.factors.flatten(1).double().numpy()
    return rows.T @ rows


def exact(hidden: torch.Tensor) -> np.ndarray:
    return np.cov(hidden.flatten(1).double().numpy(), rowvar=False)


@pytest.mark.parametrize("n", [2, 5, RANK + 1])
def test_few_images_give_the_exact_covariance(n) -> None:
    hidden = states(n)
    found = accumulated(hidden)
    assert found.count == n
    assert found.factors.shape == (n - 1, *SHAPE)
    np.testing.assert_allclose(covariance(found), exact(hidden), atol=1e-5)
    torch.testing.assert_close(found.mean, hidden.double().mean(0).float())
    torch.testing.assert_close(found.prototype, hidden.double().mean(0).float().flatten()[:D])


def test_many_images_with_few_directions_give_the_exact_covariance() -> None:
    hidden = states(200, spread=(3.0, 2.0, 1.0, 0.5))
    np.testing.assert_allclose(covariance(accumulated(hidden, *[20] * 10)), exact(hidden), atol=1e-4)


def test_directions_are_the_principal_ones_longest_first() -> None:
    hidden = states(RANK + 1, seed=3)
    found = accumulated(hidden).factors.flatten(1).double()
    values = np.linalg.eigvalsh(exact(hidden))[::-1][:RANK]
    np.testing.assert_allclose(found.norm(dim=1).square(), values, rtol=1e-4)
    gram = found @ found.T
    assert (gram - gram.diagonal().diag()).abs().max() < 1e-3
    assert all(row[row.abs().argmax()] > 0 for row in found)


@given(
    order=st.permutations(range(RANK + 1)), cuts=st.sets(st.integers(1, RANK), max_size=4), seed=st.integers(0, 2**16)
)
def test_neither_order_nor_batches_matter_while_it_is_exact(order, cuts, seed) -> None:
    hidden = states(RANK + 1, seed)
    ends = [0, *sorted(cuts), len(hidden)]
    found = accumulated(hidden[order], *[b - a for a, b in pairwise(ends)])
    whole = accumulated(hidden)
    torch.testing.assert_close(found.mean, whole.mean)
    np.testing.assert_allclose(covariance(found), covariance(whole), atol=1e-4)


@pytest.mark.parametrize("batch", [1, 7, 32])
def test_a_stream_comes_close_to_the_best_approximation_from_below(batch) -> None:
    spread = tuple(4.0 * 0.7**k for k in range(12))
    hidden = states(320, spread=spread)
    found = accumulated(hidden, *[batch] * (320 // batch), *([320 % batch] if 320 % batch else []), rank=4)
    whole = exact(hidden)
    best = np.sort(np.linalg.eigvalsh(whole))[::-1][:4]
    kept = found.factors.flatten(1).double().square().sum(dim=1).numpy()
    assert (kept <= best * 1.0001).all()
    assert kept.sum() > 0.97 * best.sum()
    assert np.linalg.eigvalsh(whole - covariance(found)).min() > -1e-3  # never more than there is
    torch.testing.assert_close(found.mean, hidden.double().mean(0).float())


def test_one_image_has_no_spread_and_equal_images_none_that_counts() -> None:
    one = accumulated(states(1))
    assert one.factors.shape == (0, *SHAPE)
    torch.testing.assert_close(one.mean, states(1)[0])
    equal = accumulated(states(1).expand(6, *SHAPE), 2, 4)
    assert equal.factors.abs().max() < 1e-4


def test_memory_is_bounded_by_rank_and_batch() -> None:
    found = Accumulator(3)
    for part in states(400).split(20):
        found.add(part, part.flatten(1))
        assert found._rows.shape == (3, 12)


def test_what_cannot_be_kept() -> None:
    with pytest.raises(ClassMemoryError, match="at least 1 direction"):
        Accumulator(0)
    with pytest.raises(ClassMemoryError, match="without an image"):
        Accumulator(2).result()
    broken = states(4)
    broken[2, 1, 1] = float("inf")
    with pytest.raises(ClassMemoryError, match="overflows"):
        accumulated(broken)
