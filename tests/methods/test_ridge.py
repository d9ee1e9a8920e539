"""The solve and its low-rank form, against least squares and SVD of NumPy and SciPy."""

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given
from hypothesis import strategies as st

from expunge.methods._ridge import grouped_ridge, low_rank, ridge


def rows(n: int, m: int, d: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, m)), rng.normal(size=(n, d)), rng.uniform(0.1, 2.0, n)


def solved(x: np.ndarray, s: np.ndarray, weights: np.ndarray, strength: float) -> np.ndarray:
    return ridge(torch.tensor(x), torch.tensor(s), torch.tensor(weights), strength).numpy()


def solved_single(x: np.ndarray, s: np.ndarray, weights: np.ndarray, strength: float) -> np.ndarray:
    """The same from rows in single precision."""
    found = ridge(torch.tensor(x).float(), torch.tensor(s).float(), torch.tensor(weights).float(), strength)
    assert found.dtype == torch.float64
    return found.numpy()


def augmented(x: np.ndarray, s: np.ndarray, weights: np.ndarray, strength: float) -> np.ndarray:
    """The definition: least squares, with a row of √λ for every input whose wanted change is 0."""
    m, scale = x.shape[1], np.sqrt(weights)[:, None]
    penalty = np.sqrt(strength * np.mean(np.sum((scale * x) ** 2, axis=0)))
    a = np.vstack([scale * x, penalty * np.eye(m)])
    b = np.vstack([scale * s, np.zeros((m, s.shape[1]))])
    found = scipy.linalg.lstsq(a, b)
    assert found is not None
    return found[0].T


@pytest.mark.parametrize(("n", "m"), [(30, 6), (6, 6), (6, 30), (1, 5)])
@pytest.mark.parametrize("strength", [1e-3, 0.1, 10.0])
def test_primal_and_dual_against_least_squares(n, m, strength) -> None:
    x, s, weights = rows(n, m, 4)
    np.testing.assert_allclose(solved(x, s, weights, strength), augmented(x, s, weights, strength), atol=1e-9)


def test_both_forms_agree_where_they_meet() -> None:
    x, s, weights = rows(8, 9, 3)
    more = np.vstack([x, np.zeros((2, 9))]), np.vstack([s, np.ones((2, 3))]), np.append(weights, [1.0, 1.0])
    np.testing.assert_allclose(solved(x, s, weights, 0.1), solved(*more, 0.1), atol=1e-12)


@pytest.mark.parametrize(("n", "m"), [(12, 5), (4, 20)])
def test_a_weight_of_three_is_a_row_three_times(n, m) -> None:
    x, s, _ = rows(n, m, 2)
    times = 1 + np.arange(n) % 3
    repeated = solved(x.repeat(times, axis=0), s.repeat(times, axis=0), np.ones(times.sum()), 0.2)
    np.testing.assert_allclose(solved(x, s, times.astype(float), 0.2), repeated, atol=1e-10)


def test_a_weight_of_zero_is_no_row() -> None:
    x, s, weights = rows(12, 5, 2)
    weights[3:] = 0.0
    np.testing.assert_allclose(solved(x, s, weights, 0.2), solved(x[:3], s[:3], weights[:3], 0.2), atol=1e-10)


@given(scale=st.floats(1e-4, 1e4), count=st.floats(1e-4, 1e4))
def test_strength_means_the_same_for_inputs_and_weights_of_any_size(scale, count) -> None:
    x, s, weights = rows(9, 4, 3)
    expected = solved(x, s, weights, 0.3)
    np.testing.assert_allclose(scale * solved(scale * x, s, count * weights, 0.3), expected, rtol=1e-6, atol=1e-9)


def test_stronger_shrinkage_gives_smaller_changes_and_none_in_the_end() -> None:
    sizes = [np.linalg.norm(solved(*rows(20, 5, 3), strength)) for strength in (1e-6, 0.1, 1.0, 10.0, 1e9)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 1e-6


@pytest.mark.parametrize(("n", "m"), [(12, 5), (3, 8)])
def test_inputs_of_zero_leave_the_weight_alone(n, m) -> None:
    assert not solved(np.zeros((n, m)), np.ones((n, 2)), np.ones(n), 0.1).any()


@pytest.mark.parametrize(("n", "m"), [(60, 20), (20, 60)])
def test_single_precision_is_solved_in_double(n, m) -> None:
    x, s, weights = rows(n, m, 4)
    np.testing.assert_allclose(solved_single(x, s, weights, 0.01), augmented(x, s, weights, 0.01), rtol=1e-3, atol=1e-5)


def test_groups_are_solved_by_themselves() -> None:
    """Each group of channels sees its own inputs: what the others hold makes no difference to it."""
    generator = torch.Generator().manual_seed(0)
    x, s = torch.randn(20, 6, generator=generator), torch.randn(20, 4, generator=generator)
    weights = torch.rand(20, generator=generator)
    whole = grouped_ridge(x, s, weights, 0.1, 2)
    assert whole.shape == (4, 3)
    torch.testing.assert_close(whole[:2], ridge(x[:, :3], s[:, :2], weights, 0.1), rtol=0, atol=0)
    torch.testing.assert_close(whole[2:], ridge(x[:, 3:], s[:, 2:], weights, 0.1), rtol=0, atol=0)
    assert torch.equal(grouped_ridge(x, s, weights, 0.1, 1), ridge(x, s, weights, 0.1))


def of_spectrum(values: list[float], d: int, m: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    left, right = (np.linalg.qr(rng.normal(size=(side, len(values))))[0] for side in (d, m))
    return left * np.array(values) @ right.T


@pytest.mark.parametrize(
    ("energy", "rank"),
    [(0.5, 1), (0.8, 1), (0.81, 2), (0.96, 2), (0.97, 3), (0.999, 4)],  # 16, 3.2, 0.6 and 0.2 of 20
)
@pytest.mark.parametrize(("d", "m"), [(6, 9), (9, 6)])
def test_rank_follows_energy(energy, rank, d, m) -> None:
    values = [4.0, 3.2**0.5, 0.6**0.5, 0.2**0.5]
    change = of_spectrum(values, d, m)
    found = low_rank(torch.tensor(change), energy - 1e-6)
    assert found.rank == rank
    u, s, vt = np.linalg.svd(change)
    np.testing.assert_allclose(found.delta(), u[:, :rank] * s[:rank] @ vt[:rank], atol=1e-5)
    lost = np.sum((change - found.delta().numpy()) ** 2) / np.sum(change**2)
    assert lost <= 1 - energy + 1e-5


def test_factors_are_plain_and_the_whole_energy_is_the_whole_change() -> None:
    change = torch.randn(5, 8, dtype=torch.float64)
    found = low_rank(change, 1.0)
    assert (found.a.dtype, found.b.dtype) == (torch.float32, torch.float32)
    assert found.a.is_contiguous()
    assert found.b.is_contiguous()
    torch.testing.assert_close(found.b.T @ found.b, torch.eye(found.rank), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.delta(), change, atol=1e-6, rtol=1e-6)


def test_no_change_is_a_change_of_zero() -> None:
    found = low_rank(torch.zeros(4, 6), 0.999)
    assert found.rank == 1
    assert not found.delta().any()


@pytest.mark.parametrize(("n", "m"), [(200, 40), (40, 200)])
def test_shrinkage_below_rounding_is_no_error(n, m) -> None:
    x, _, weights = rows(n, 3, 4)
    alike, s = (x @ np.random.default_rng(seed).normal(size=(3, width)) for seed, width in ((1, m), (2, 4)))
    found = solved_single(alike, s, weights, 1e-15)
    np.testing.assert_allclose(alike @ found.T, s, atol=0.01)  # of rank 3, so the wanted change can be had
