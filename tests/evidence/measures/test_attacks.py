"""Areas, hits and probabilities, against scipy and by hand."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch

from expunge.errors import EvidenceError
from expunge.evidence.measures._attacks import attack_readings, auc, auc_interval, hits_at
from expunge.evidence.measures._probabilities import among_retained, log_probabilities


def test_auc_by_hand() -> None:
    # Pairs won: 3 beats 1 and 2 and ties with 3; 0 beats none: (2 + 0.5) of 6.
    assert auc(torch.tensor([3.0, 0.0]), torch.tensor([1.0, 2.0, 3.0])) == pytest.approx(2.5 / 6)


def test_auc_is_the_mann_whitney_statistic() -> None:
    rng = np.random.default_rng(1)
    positive, negative = rng.integers(0, 9, 40).astype(float), rng.integers(2, 12, 31).astype(float)
    expected = scipy.stats.mannwhitneyu(positive, negative).statistic / (40 * 31)
    assert auc(torch.tensor(positive), torch.tensor(negative)) == pytest.approx(expected)


def test_auc_needs_both_sides() -> None:
    with pytest.raises(EvidenceError, match="3 positives and 0 negatives"):
        auc(torch.ones(3), torch.ones(0))


def test_interval_solves_its_own_equation() -> None:
    around = auc_interval(0.8, 30, 50)
    for end in (around.low / 100, around.high / 100):
        inner = 1 + 39 * ((1 - end) / (2 - end) + end / (1 + end))
        assert abs(0.8 - end) == pytest.approx(1.959964 * np.sqrt(end * (1 - end) * inner / 1500), abs=1e-6)


@pytest.mark.parametrize("area", [0.0, 1.0])
def test_interval_stays_open_towards_the_middle_at_the_ends(area: float) -> None:
    around = auc_interval(area, 6, 6)
    assert (around.low if area == 0 else around.high) == pytest.approx(100 * area, abs=1e-6)
    assert 10 < around.high - around.low < 60


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng, covered = np.random.default_rng(0), 0
    truth = 100 * scipy.stats.norm.cdf(1.0 / np.sqrt(2))
    for _ in range(300):
        positive, negative = torch.tensor(rng.normal(1, 1, 25)), torch.tensor(rng.normal(0, 1, 40))
        around = auc_interval(auc(positive, negative), 25, 40)
        covered += around.low <= truth <= around.high
    assert 0.92 <= covered / 300 <= 0.99


def test_hits_at_few_false_alarms_by_hand() -> None:
    negative = torch.arange(100.0)  # one of them may pass: 99 does, 98 does not
    assert hits_at(torch.tensor([98.0, 98.5, 200.0, -1.0]), negative, 0.01).hits == 2
    # Of 50 none may pass.
    assert hits_at(torch.tensor([49.0, 49.5]), torch.arange(50.0), 0.01).hits == 1
    assert hits_at(torch.tensor([1.0]), torch.tensor([2.0]), 1.0).hits == 1


def test_repeated_scores_of_one_image_are_no_further_trials() -> None:
    once = attack_readings("x", torch.tensor([1.0, 3.0]), torch.tensor([0.0, 2.0]))
    thrice = attack_readings("x", torch.tensor([1.0, 3.0]).repeat(3), torch.tensor([0.0, 2.0]).repeat(3), (2, 2))
    assert once == thrice
    assert (once[0].value, once[0].n) == (75.0, 2)
    positive, negative = torch.linspace(0, 2, 40), torch.linspace(-1, 1, 150)
    once = attack_readings("x", positive, negative)
    assert once == attack_readings("x", positive.repeat(3), negative.repeat(2), (40, 150))
    assert [row.key for row in once] == ["x_auc", "x_tpr_at_fpr_1"]
    # The highest but one of the negatives is 1 - 2/149: 20 of the 40 positives are above it.
    assert (once[1].value, once[1].n) == (50.0, 40)


def test_one_per_cent_of_fewer_than_a_hundred_cannot_be_told() -> None:
    positive = torch.linspace(0, 2, 40)
    assert [row.key for row in attack_readings("x", positive, torch.linspace(-1, 1, 99))] == ["x_auc"]
    assert len(attack_readings("x", positive, torch.linspace(-1, 1, 100))) == 2
    assert len(attack_readings("x", positive, torch.linspace(-1, 1, 99).repeat(2), (40, 99))) == 1


@pytest.mark.parametrize(("positives", "negatives"), [(100, 100), (400, 100), (40, 150), (100, 1000)])
def test_hits_of_an_attack_that_finds_nothing_are_not_called_sure(positives: int, negatives: int) -> None:
    rng, sure, repeats = np.random.default_rng(0), 0, 60
    for _ in range(repeats):
        scores = [torch.tensor(rng.normal(size=n)) for n in (positives, negatives)]
        hits = attack_readings("x", scores[0], scores[1])[1]
        assert hits.low is not None
        assert hits.high is not None
        assert hits.low <= hits.value <= hits.high
        sure += hits.low > 1.0
    assert sure / repeats <= 0.05


def test_hits_of_an_attack_that_works_are_sure_with_images_enough() -> None:
    rng, covered, repeats = np.random.default_rng(1), 0, 60
    truth = 100 * scipy.stats.norm.sf(scipy.stats.norm.isf(0.01) - 2)  # 37 %
    for _ in range(repeats):
        hits = attack_readings("x", torch.tensor(rng.normal(2, 1, 200)), torch.tensor(rng.normal(size=800)))[1]
        assert hits.low is not None
        assert hits.high is not None
        assert hits.low > 1
        covered += hits.low <= truth <= hits.high
    assert covered / repeats >= 0.92


def test_all_hits_and_none_keep_an_interval() -> None:
    low, high = torch.linspace(0, 1, 500), torch.linspace(2, 3, 50)
    every, none = attack_readings("x", high, low)[1], attack_readings("x", low[:50], high.repeat(10))[1]
    assert (every.value, every.high, none.value, none.low) == (100.0, 100.0, 0.0, 0.0)
    assert every.low == pytest.approx(100 * 50 / (50 + 1.959964**2), abs=0.01)  # Wilson's, as all draws say 100
    assert none.high == pytest.approx(100 * 1.959964**2 / (50 + 1.959964**2), abs=0.01)


def test_log_probabilities_of_rows_that_say_nothing_are_uniform() -> None:
    nan, inf = float("nan"), float("inf")
    rows = torch.tensor([[1.0, nan], [-inf, -inf], [inf, 0.0], [0.0, np.log(3.0)], [0.0, -inf]])
    expected = [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.25, 0.75], [1.0, 0.0]]
    assert log_probabilities(rows).exp().tolist() == pytest.approx(np.array(expected), abs=1e-6)


def test_retained_classes_share_the_whole_probability() -> None:
    logits = torch.tensor([[50.0, 1.0, 2.0, -1e4], [-1e4, 1.0, 2.0, 9.0]])
    expected = scipy.special.log_softmax([1.0, 2.0])
    for row in among_retained(logits, [1, 2]).numpy():
        assert row == pytest.approx(expected)
