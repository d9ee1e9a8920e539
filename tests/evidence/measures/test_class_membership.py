"""CMIA: what the neighbours' probabilities tell."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.optimize
import torch

from expunge.evidence import Case
from expunge.evidence.measures._probabilities import neighbour_features
from expunge.evidence.measures.class_membership import ClassMembership, fit_detector
from expunge.tasks.views import Observed, View


def value(case: Case, key: str = "cmia_auc") -> float:
    return {row.key: row.value for row in ClassMembership().measure(case)}[key]


def test_fires_on_the_untouched_model_and_not_on_the_oracle(original_case: Case, oracle_case: Case) -> None:
    assert value(original_case) < 60  # answered like a known class
    assert value(oracle_case) > value(original_case) + 15


def test_a_mask_on_the_head_hides_nothing(original_case: Case, masked_case: Case) -> None:
    assert value(masked_case) == pytest.approx(value(original_case), abs=1e-9)


def test_an_exchangeable_class_stands_at_half(original_case: Case) -> None:
    """Where answers of forgotten and known classes are drawn alike but for the own column, the attack is blind."""
    generator = torch.Generator().manual_seed(5)
    labels = torch.arange(8).repeat_interleave(100)
    sides = []
    for _ in range(2):
        logits = torch.randn(800, 8, generator=generator)
        logits[torch.arange(800), labels] += 9.0
        sides.append(Observed(torch.zeros(800, 1), logits, labels))
    seen = View(*sides)
    case = replace(original_case, view=seen, forget=(0,), earlier=(), retain=tuple(range(1, 8)))
    row = ClassMembership().measure(case)[0]
    assert row.low is not None
    assert row.high is not None
    assert row.high - row.low < 25
    assert row.low < 50 < row.high


def test_detector_is_the_logistic_regression_of_another_solver() -> None:
    rng = np.random.default_rng(3)
    inside, outside = rng.normal(0.7, 2.0, (40, 3)), rng.normal(0.0, 1.0, (90, 3))
    x = np.concatenate([inside, outside])
    standard = (x - x.mean(0)) / x.std(0)
    y = np.r_[np.ones(40), np.zeros(90)]
    share = np.r_[np.full(40, 0.5 / 40), np.full(90, 0.5 / 90)]

    def loss(w: np.ndarray) -> float:
        z = standard @ w[:3] + w[3]
        return float(share @ (np.logaddexp(0, z) - y * z) + 0.5 * 0.01 * w[:3] @ w[:3])

    best = scipy.optimize.minimize(loss, np.zeros(4), method="BFGS").x
    found = fit_detector(torch.tensor(inside), torch.tensor(outside), 0.01).numpy()
    assert x @ found[:3] + found[3] == pytest.approx(standard @ best[:3] + best[3], abs=1e-3)


def test_detector_of_separable_and_of_constant_features() -> None:
    apart = fit_detector(torch.ones(4, 1).double() * 5, torch.zeros(4, 1).double(), 1e-3)
    assert apart[0] > 0
    assert torch.isfinite(apart).all()
    constant = fit_detector(torch.ones(4, 2).double(), torch.ones(6, 2).double(), 1e-3)
    assert constant.tolist() == pytest.approx([0.0, 0.0, 0.0], abs=1e-6)


def test_features_by_hand() -> None:
    logits = torch.tensor([[0.1, 0.2, 0.3, 0.4, 99.0]]).log()
    found = neighbour_features(logits, [0, 1, 2, 3], 2).exp()
    assert found.tolist()[0] == pytest.approx([0.4, 0.3, 0.3])
    # Of two classes one is a neighbour and the other all others.
    assert neighbour_features(logits, [0, 1], 2).exp().tolist()[0] == pytest.approx([2 / 3, 1 / 3])
    # What softmax cannot resolve is cut off.
    assert neighbour_features(torch.tensor([[0.0, -1e4]]), [0, 1], 1)[0, 1] == -12


def test_says_why_it_cannot_be_taken(original_case: Case) -> None:
    measure = ClassMembership()
    assert measure.missing(original_case) is None
    assert measure.missing(replace(original_case, retain=(1, 2))) is not None
    known = original_case.view.test.only(original_case.retain)
    blind = replace(original_case, view=View(original_case.view.attack, known))
    assert measure.missing(blind) == "needs test images of a forgotten class"


def test_answers_without_sense_give_a_defined_value(original_case: Case) -> None:
    dumb = [
        Observed(one.embedding, torch.full_like(one.logits, float("nan")), one.labels)
        for one in (original_case.view.attack, original_case.view.test)
    ]
    assert value(replace(original_case, view=View(*dumb))) == 50
