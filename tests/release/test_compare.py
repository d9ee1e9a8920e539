"""The comparison of two models' logits, against counts by hand and against scipy."""

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2

from expunge.errors import EvidenceError, ModelError
from expunge.release import Comparison, compare, mcnemar
from expunge.values import Rate

CLASSES = ("ant", "bee", "cat")


def surely(*tops: tuple[int, float]) -> torch.Tensor:
    """Logits that rank a class first with a probability; the other two share the rest."""
    rows = [[(1 - p) / 2] * c + [p] + [(1 - p) / 2] * (2 - c) for c, p in tops]
    return torch.tensor(rows).log()


# Images:          0         1         2         3         4
A = surely((0, 0.9), (0, 0.8), (1, 0.6), (1, 0.9), (2, 0.7))
B = surely((0, 0.7), (1, 0.6), (1, 0.8), (2, 0.5), (2, 0.7))
LABELS = torch.tensor([0, 0, 2, 2, 2])


def test_counts_by_hand() -> None:
    found = compare(A, B, CLASSES)
    assert found.agreement == Rate(3, 5)
    assert (found.interval.low, found.interval.high) == pytest.approx((23.07, 88.24), abs=0.01)  # Wilson, 3 of 5
    assert [(one.index, one.a, one.b, one.label) for one in found.changed] == [
        (3, "bee", "cat", None),  # A was surest of this one
        (1, "ant", "bee", None),
    ]
    assert (found.changed[0].sure_a, found.changed[0].sure_b) == pytest.approx((0.9, 0.5))
    assert {one.name: (one.a, one.b, one.both) for one in found.classes} == {
        "bee": (2, 2, 1),
        "ant": (2, 1, 1),
        "cat": (1, 2, 1),
    }
    assert found.classes[0].name == "bee"  # changed most: one image left, one joined
    assert (found.confidence_a, found.confidence_b) == pytest.approx((78.0, 66.0))
    assert found.confidence_change.low < -12.0 < found.confidence_change.high
    assert (found.right_a, found.right_b, found.mcnemar) == (None, None, None)


def test_with_labels_both_are_judged() -> None:
    found = compare(A, B, CLASSES, LABELS)
    assert (found.right_a, found.right_b) == (Rate(3, 5), Rate(3, 5))
    assert found.mcnemar is not None
    assert (found.mcnemar.only_a, found.mcnemar.only_b, found.mcnemar.p) == (1, 1, 1.0)  # image 1; image 3
    rights = {one.name: (one.right_a, one.right_b) for one in found.classes}
    assert rights["ant"] == (Rate(2, 2), Rate(1, 2))
    assert rights["cat"] == (Rate(1, 3), Rate(2, 3))
    assert rights["bee"] == (Rate(0, 0), Rate(0, 0))
    assert [one.label for one in found.changed] == ["cat", "ant"]


def test_a_tie_counts_as_wrong() -> None:
    flat = torch.zeros(1, 3)
    found = compare(flat, surely((0, 0.9)), CLASSES, torch.tensor([0]))
    assert found.mcnemar is not None
    assert (found.mcnemar.only_a, found.mcnemar.only_b) == (0, 1)


def test_a_class_that_never_appears_is_left_out() -> None:
    found = compare(A[:2], A[:2], CLASSES)
    assert [one.name for one in found.classes] == ["ant"]
    assert found.changed == ()
    assert (found.confidence_change.low, found.confidence_change.high) == (0.0, 0.0)


def test_what_cannot_be_compared() -> None:
    with pytest.raises(EvidenceError, match="at least one image"):
        compare(A[:0], B[:0], CLASSES)
    with pytest.raises(ModelError, match="NaN"):
        compare(A, B * math.nan, CLASSES)


def test_json_names_the_images() -> None:
    found: Comparison = compare(A, B, CLASSES, LABELS)
    values = json.loads(json.dumps(found.to_json([f"{i}.png" for i in range(5)])))
    assert values["schema"] == "expunge/serve-check/v1"
    assert values["agreement"] == {"hits": 3, "n": 5}
    assert [one["image"] for one in values["changed"]] == ["3.png", "1.png"]
    assert values["mcnemar"] == {"only_a": 1, "only_b": 1, "p": 1.0, "exact": True}


@given(st.integers(0, 500), st.integers(0, 500))
def test_few_discordant_pairs_are_tested_exactly(b: int, c: int) -> None:
    found = mcnemar(b, c)
    assert found.exact
    assert found.p == pytest.approx(binomtest(b, b + c).pvalue if b + c else 1.0, rel=1e-9)


@given(st.integers(501, 5_000), st.integers(500, 5_000))
def test_many_by_chi_square(b: int, c: int) -> None:
    found = mcnemar(b, c)
    assert not found.exact
    assert found.p == pytest.approx(float(chi2.sf(max(0, abs(b - c) - 1) ** 2 / (b + c), 1)), rel=1e-6, abs=1e-300)


def test_both_ways_agree_where_they_meet() -> None:
    for b in (450, 480, 500):
        exact, approximate = mcnemar(b, 1_000 - b), mcnemar(b + 1, 1_000 - b)
        assert (exact.exact, approximate.exact) == (True, False)
        assert approximate.p == pytest.approx(binomtest(b + 1, 1_001).pvalue, abs=2e-3)
