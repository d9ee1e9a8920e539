"""The probe against scipy's minimiser on the same objective, and on models that leak and that cannot."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.optimize
import torch
from scipy.special import log_softmax

from expunge.errors import EvidenceError
from expunge.evidence import Case, Reading
from expunge.evidence.measures.linear_probe import LinearProbe, fit_probe


def _blobs(n: int = 60, d: int = 4, classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % classes
    centres = torch.randn(classes, d, generator=generator)
    return centres[labels] * 0.8 + torch.randn(n, d, generator=generator) * torch.tensor([1.0, 9.0, 0.1, 1.0]), labels


@pytest.mark.parametrize("balanced", [False, True])
def test_minimises_the_objective_as_scipy_does(balanced: bool) -> None:
    features, labels = (rows[:47] for rows in _blobs())
    features, labels = features[labels.ne(2) | (torch.arange(47) < 12)], labels[labels.ne(2) | (torch.arange(47) < 12)]
    x, y, decay = features.double().numpy(), labels.numpy(), 0.02
    assert np.bincount(y).tolist() == [16, 16, 4]
    z = (x - x.mean(0)) / x.std(0)
    shares = np.array([1 / 48, 1 / 48, 1 / 12])[y] if balanced else np.full(36, 1 / 36)

    def objective(flat: np.ndarray) -> float:
        weight, bias = flat[:12].reshape(3, 4), flat[12:]
        log_p = log_softmax(z @ weight.T + bias, axis=1)
        return float(-(shares * log_p[np.arange(36), y]).sum() + decay / 2 * (weight**2).sum())

    best = scipy.optimize.minimize(objective, np.zeros(15), method="BFGS", options={"gtol": 1e-6})
    expected = log_softmax(z @ best.x[:12].reshape(3, 4).T + best.x[12:], axis=1)
    probe = fit_probe(features, labels, 3, decay=decay, balanced=balanced, tolerance=1e-8)
    assert probe(features).numpy() == pytest.approx(expected, abs=1e-4)


def test_scale_and_shift_of_features_do_not_matter() -> None:
    features, labels = _blobs()
    once, again = fit_probe(features, labels, 3), fit_probe(features * 1000 - 50, labels, 3)
    assert torch.allclose(once(features), again(features * 1000 - 50), atol=1e-3)


def test_a_class_without_images_is_never_answered() -> None:
    features, labels = _blobs()
    answers = fit_probe(features, labels * 2, 6)(features)
    assert answers[:, [1, 3, 5]].eq(float("-inf")).all()
    assert answers[:, [0, 2, 4]].isfinite().all()


def test_constant_features_say_nothing() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    assert fit_probe(torch.full((4, 3), 0.1), labels, 2)(torch.rand(5, 3)).exp().numpy() == pytest.approx(0.5)


def test_no_images_and_no_convergence() -> None:
    features, labels = _blobs()
    with pytest.raises(EvidenceError, match="got none"):
        fit_probe(features[:0], labels[:0], 3)
    with pytest.raises(EvidenceError, match="converge"):
        fit_probe(features, labels, 3, max_steps=1)


def _rows(case: Case) -> dict[str, Reading]:
    return {reading.key: reading for reading in LinearProbe().measure(case)}


def test_fires_on_the_original_and_through_the_mask_but_not_on_the_oracle(
    original_case: Case, masked_case: Case, oracle_case: Case
) -> None:
    original, masked, oracle = _rows(original_case), _rows(masked_case), _rows(oracle_case)
    assert original["linear_probe"].value >= 95
    assert masked["linear_probe"].value == original["linear_probe"].value
    assert oracle["linear_probe"].high is not None
    assert original["linear_probe"].low is not None
    assert oracle["linear_probe"].high < original["linear_probe"].low
    assert oracle["linear_probe_retained"].value >= 75
    assert (original["linear_probe"].n, original["linear_probe_retained"].n) == (40, 80)


def test_one_class_that_is_read_is_not_hidden_by_the_others(oracle_case: Case) -> None:
    rows = _rows(oracle_case)
    alone = [_rows(replace(oracle_case, forget=(label,), earlier=())) for label in oracle_case.forgotten]
    worst = max(one["linear_probe"].value for one in alone)
    assert rows["linear_probe_worst"].value == worst > rows["linear_probe"].value
    assert (rows["linear_probe_worst"].n, rows["linear_probe_worst"].aim) == (20, "oracle")
    assert not any("linear_probe_worst" in one for one in alone)
