"""Accuracy of what is forgotten and of what stays, counted by hand."""

from dataclasses import replace

import pytest
import torch

from expunge.evidence import Case
from expunge.evidence.measures.forgetting import Forgetting
from expunge.intervals import wilson
from expunge.tasks.views import Observed, View

RIGHT = {0: (3, 4), 1: (1, 5), 2: (4, 4), 3: (1, 2), 4: (0, 3)}
"""Class -> how many of its images are right, and how many there are."""


def answers(right: dict[int, tuple[int, int]]) -> Observed:
    """Answers that are right so often, and otherwise for class 5."""
    labels = torch.tensor([label for label, (_, n) in right.items() for _ in range(n)], dtype=torch.int64)
    said = [label if i < hits else 5 for label, (hits, n) in right.items() for i in range(n)]
    logits = torch.nn.functional.one_hot(torch.tensor(said, dtype=torch.int64), 6).float()
    return Observed(torch.zeros(len(labels), 2), logits, labels)


@pytest.fixture
def case(original_case: Case) -> Case:
    """Classes 0 and 1 are forgotten now, 4 was before, 2 and 3 stay, 3 without images for the method."""
    now, before = answers(RIGHT), answers({label: (n, n) for label, (_, n) in RIGHT.items()})
    parts = {"forget": (0, 1), "earlier": (4,), "retain": (2, 3, 5), "missing": (3,)}
    return replace(original_case, view=View(now, now), original=View(before, before), **parts)


def test_all_numbers_by_hand(case: Case) -> None:
    rows = {row.key: row for row in Forgetting().measure(case)}
    assert {key: (row.value, row.n) for key, row in rows.items() if key != "h"} == {
        "acc_f": (pytest.approx(100 * 4 / 9), 9),
        "acc_f_worst": (75.0, 4),
        "acc_r": (pytest.approx(100 * 5 / 6), 6),
        "acc_o": (0.0, 3),
        "acc_m": (50.0, 2),
    }
    assert (rows["acc_f_worst"].low, rows["acc_f_worst"].high) == (wilson(3, 4).low, wilson(3, 4).high)
    kept, lost = 500 / 6, 100 - 400 / 9
    assert (rows["h"].value, rows["h"].n) == (pytest.approx(2 * kept * lost / (kept + lost)), 15)
    assert {row.aim for key, row in rows.items() if key in ("acc_f", "acc_f_worst", "acc_o")} == {"low"}
    assert {rows[key].aim for key in ("acc_r", "acc_m", "h")} == {"high"}
    assert set(rows) <= set(Forgetting.labels)


def test_the_worst_of_equal_classes_is_the_one_of_which_least_is_known(case: Case) -> None:
    seen = answers({0: (0, 20), 1: (0, 6), 2: (5, 5), 4: (1, 5)})
    rows = {row.key: row for row in Forgetting().measure(replace(case, view=View(seen, seen), earlier=(3, 4)))}
    assert (rows["acc_f_worst"].value, rows["acc_f_worst"].n) == (0.0, 6)
    assert "acc_o_worst" not in rows  # only one of the earlier classes has images


def test_no_images_no_row(case: Case) -> None:
    seen = answers({0: (0, 4), 2: (4, 4)})
    few = replace(case, view=View(seen, seen))
    assert [row.key for row in Forgetting().measure(few)] == ["acc_f", "acc_r", "h"]
    only = answers({2: (4, 4)})
    assert [row.key for row in Forgetting().measure(replace(case, view=View(only, only)))] == ["acc_r"]
    earlier = answers({4: (1, 3)})
    assert Forgetting().missing(replace(case, view=View(earlier, earlier))) == (
        "needs test images of the request's or of retained classes"
    )
    assert Forgetting().missing(few) is None


def test_fires_on_the_original_but_not_on_the_oracle(original_case: Case, oracle_case: Case) -> None:
    original, oracle = (
        {row.key: row.value for row in Forgetting().measure(one)} for one in (original_case, oracle_case)
    )
    assert original["acc_f"] > 80
    assert original["h"] < 20
    assert oracle["acc_f"] == oracle["acc_o"] == 0
    assert oracle["h"] > 80
