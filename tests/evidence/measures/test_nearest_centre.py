"""The nearest class mean: by hand, and beside the rule written out in full."""

from dataclasses import replace

import pytest
import torch

from expunge.evidence import Case
from expunge.evidence.measures.nearest_centre import NearestCentre
from expunge.intervals import wilson
from expunge.tasks.views import Observed, View


def values(case: Case) -> dict[str, float]:
    return {row.key: row.value for row in NearestCentre().measure(case)}


def test_by_hand(original_case: Case) -> None:
    """Centres: class 0 at (2, 0), class 1 at (0, 2), class 2, forgotten too, at (8, 0)."""
    attack = Observed(
        torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0], [8.0, 0.0]]), torch.zeros(4, 3), torch.tensor([0, 0, 1, 2])
    )
    points = torch.tensor([[2.5, 0.0], [6.0, 0.0], [1.0, 1.0], [0.5, 4.0], [2.0, 0.5], [9.0, 1.0]])
    test = Observed(points, torch.zeros(6, 3), torch.tensor([0, 0, 0, 1, 1, 2]))
    case = replace(original_case, view=View(attack, test), forget=(0,), earlier=(2,), retain=(1,))
    rows = {row.key: row for row in NearestCentre().measure(case)}
    # (6, 0) is nearer to (8, 0); (1, 1) lies as far from class 1, and a tie is wrong.
    assert rows["nearest_centre"].value == pytest.approx(100 * 2 / 4)
    assert (rows["nearest_centre_worst"].value, rows["nearest_centre_worst"].n) == (100.0, 1)
    assert rows["nearest_centre_retained"].value == 50.0
    # By cosine classes 0 and 2 point the same way: whatever is theirs is a tie.
    assert rows["nearest_centre_cosine"].value == 0.0
    assert rows["nearest_centre"].low == pytest.approx(wilson(2, 4).low)
    assert rows["nearest_centre_retained"].aim == "high"


def test_is_the_rule_written_out(original_case: Case) -> None:
    attack, test = original_case.view.attack, original_case.view.test
    right = []
    for z, label in zip(test.embedding.double(), test.labels.tolist(), strict=True):
        far = [float((attack.embedding[attack.labels == c].double().mean(0) - z).square().sum()) for c in range(6)]
        right.append(far.index(min(far)) == label)
    hit = torch.tensor(right)[test.among(original_case.forgotten)]
    assert values(original_case)["nearest_centre"] == pytest.approx(100 * float(hit.double().mean()))


def test_fires_on_the_original_but_not_on_the_oracle(original_case: Case, oracle_case: Case) -> None:
    original, oracle = values(original_case), values(oracle_case)
    assert original["nearest_centre"] > 90
    assert original["nearest_centre_cosine"] > 90
    assert oracle["nearest_centre"] < 65
    assert oracle["nearest_centre_cosine"] < 65
    assert oracle["nearest_centre_retained"] > 70
    assert set(original) <= set(NearestCentre.labels)


def test_a_struck_row_hides_nothing(original_case: Case, masked_case: Case) -> None:
    assert values(masked_case) == values(original_case)


def test_a_scale_changes_nothing_and_features_that_say_nothing_score_nothing(original_case: Case) -> None:
    def by(factor: float) -> Case:
        attack, test = original_case.view.attack, original_case.view.test
        both = (replace(one, embedding=one.embedding * factor) for one in (attack, test))
        return replace(original_case, view=View(*both))

    assert values(by(1e3)) == values(by(1e-3)) == values(original_case)
    assert set(values(by(0.0)).values()) == {0.0}
