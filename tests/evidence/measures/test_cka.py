"""CKA against the definition of the unbiased HSIC as a mean over quadruples, and on the toy models."""

from dataclasses import replace
from itertools import permutations

import pytest
import torch
from torch import Tensor

from expunge.errors import EvidenceError
from expunge.evidence import Case
from expunge.evidence.measures.cka import CKA, linear_cka
from expunge.tasks.views import View


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _hsic(x: Tensor, y: Tensor) -> float:
    """Song et al. 2012, theorem 3's U-statistic: the mean of K_ij (L_ij + L_qr - 2 L_iq) over distinct i, j, q, r."""
    K, L = (x @ x.T).tolist(), (y @ y.T).tolist()
    terms = [K[i][j] * (L[i][j] + L[q][r] - 2 * L[i][q]) for i, j, q, r in permutations(range(len(x)), 4)]
    return sum(terms) / len(terms)


def test_definition_over_quadruples() -> None:
    x = _random(7, 3) + 5
    y = x @ _random(3, 4, seed=1) + 0.5 * _random(7, 4, seed=2)
    expected = _hsic(x, y) / (_hsic(x, x) * _hsic(y, y)) ** 0.5
    assert 0.2 < expected < 0.99
    assert linear_cka(x, y).tolist() == pytest.approx([expected])


def test_rotation_shift_and_scale_leave_it_at_one() -> None:
    x = _random(12, 5)
    rotation = torch.linalg.qr(_random(5, 5, seed=1)).Q
    assert linear_cka(x, 7 * x @ rotation - 3).tolist() == pytest.approx([1.0])


def test_unrelated_features_are_at_zero_however_wide() -> None:
    # The biased CKA of 20 images with 200 features each is near 1 whatever the features are.
    found = [float(linear_cka(_random(20, 200, seed=2 * i), _random(20, 200, seed=2 * i + 1))) for i in range(30)]
    assert abs(sum(found) / 30) < 0.15


def test_constant_features_have_no_similarity() -> None:
    x = _random(9, 3)
    assert linear_cka(x, torch.full((9, 4), 0.1)).tolist() == [0.0]
    assert linear_cka(torch.full((9, 4), 0.1), torch.full((9, 4), 0.1)).tolist() == [0.0]


def test_counts_weigh_images() -> None:
    x, y = _random(10, 3), _random(10, 3) + _random(10, 3, seed=5)
    once, dropped = torch.ones(10), torch.tensor([1.0] * 8 + [0.0] * 2) * 10 / 8
    both = linear_cka(x, y, torch.stack([once, dropped]))
    assert float(both[0]) == pytest.approx(float(linear_cka(x, y)))
    # What is not drawn has no part: changing it changes nothing but the centre, to which CKA is nearly blind.
    moved = y.clone()
    moved[8:] += torch.tensor([0.5, -0.5, 0.2])
    assert float(linear_cka(x, moved, dropped[None])) == pytest.approx(float(both[1]), abs=0.02)


def test_too_few_images() -> None:
    with pytest.raises(EvidenceError, match="four images"):
        linear_cka(torch.ones(3, 2), torch.ones(3, 2))
    with pytest.raises(EvidenceError, match="images must be 4 or more, got 3"):
        CKA(images=3)


def _rows(case: Case) -> dict[str, float]:
    return {reading.key: reading.value for reading in CKA().measure(case)}


def test_original_is_itself_and_the_oracle_differs_where_it_matters(original_case: Case, oracle_case: Case) -> None:
    original, oracle = _rows(original_case), _rows(oracle_case)
    assert original["cka_original_forget"] == pytest.approx(1.0)
    assert oracle["cka_oracle_forget"] == pytest.approx(1.0)
    assert original["cka_oracle_forget"] == pytest.approx(oracle["cka_original_forget"])
    # Both know the retained classes; only one knows the others.
    assert original["cka_oracle_retain_layer_2"] > 0.7
    assert original["cka_oracle_forget_layer_2"] < 0.4
    layers = [original[f"cka_oracle_forget_layer_{layer}"] for layer in range(3)]
    assert original["cka_oracle_forget"] == pytest.approx(sum(layers) / 3)
    assert set(original) <= set(CKA.labels)


def test_the_head_plays_no_part(original_case: Case, masked_case: Case) -> None:
    assert _rows(masked_case) == pytest.approx(_rows(original_case))


def test_intervals_hold_their_values_and_come_from_the_seed(original_case: Case) -> None:
    readings = CKA().measure(original_case)
    assert all(r.low is not None and r.high is not None and r.low - 0.05 <= r.value <= r.high + 0.05 for r in readings)
    assert CKA().measure(original_case) == readings


def test_without_oracle_or_layers(original_case: Case) -> None:
    alone = replace(original_case, oracle=None)
    assert CKA().missing(alone) is None
    assert not any("oracle" in key for key in _rows(alone))
    bare = View(replace(original_case.view.attack, layers=()), replace(original_case.view.test, layers=()))
    assert CKA().missing(replace(original_case, view=bare)) == "needs views with the same number of layers"
    other = View(original_case.original.attack, original_case.original.test.select(torch.arange(120).flip(0)))
    assert CKA().missing(replace(original_case, original=other)) == "needs views of the same test images"
