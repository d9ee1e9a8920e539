"""The figures of one request, from logits small enough to rank by eye."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from expunge.data import Images
from expunge.errors import EvidenceError
from expunge.evidence import (
    Baseline,
    Groups,
    HeadMask,
    ImagesUsed,
    Parameters,
    RequestMetrics,
    Work,
    measure_baseline,
    measure_request,
)
from expunge.tasks import find_task
from expunge.tasks.classification.accuracy import Accuracies
from expunge.tasks.rows import HeadRows
from expunge.tasks.views import Observed

CLASSES = ("ada", "bob", "cid", "dot", "eve")
WORK = Work(
    images=ImagesUsed(forget=4, retain=12),
    groups=Groups(total=6, kept=2),
    parameters=Parameters(edited=96, total=1000),
    bytes=384,
    seconds=1.239,
)
NO_IMAGES = Images((), (), CLASSES)  # answers know their labels
# Two images a class; what each is taken for, and by whom it would be taken next.
LABELS = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
BEFORE = [(0, 1), (0, 2), (1, 0), (1, 3), (2, 0), (0, 2), (3, 1), (1, 3), (4, 0), (4, 1)]
AFTER = [(2, 1), (0, 2), (3, 0), (1, 3), (2, 0), (2, 1), (3, 1), (4, 3), (2, 4), (4, 1)]


def logits(ranked: list[tuple[int, int]]) -> Tensor:
    rows = torch.zeros(len(ranked), len(CLASSES))
    for row, (first, second) in zip(rows, ranked, strict=True):
        row[first], row[second] = 2.0, 1.0
    return rows


def request_of(
    before: Tensor, after: Tensor, labels: Tensor, *, rows: Tensor | None = None, **sets: Any
) -> RequestMetrics:
    """As a run measures it; `rows` are what the original's head makes of the images after the request."""
    task, gone = find_task("classification"), {*sets["forget"], *sets.get("earlier", ())}
    given = torch.zeros(len(labels), 5) if rows is None else rows
    was, now = Observed(given, before, labels), Observed(given, after, labels)
    head = nn.Identity() if rows is not None else None
    alone = task.in_place(now, HeadRows(head, 5), gone) if head else None
    seen = (was, now, task.struck(was, gone))
    before_, after_, masked = (task.scores(one, NO_IMAGES) for one in seen)
    weights = task.scores(alone, NO_IMAGES) if alone else None
    return measure_request(before_, after_, masked, alone=weights, classes=CLASSES, work=WORK, **sets)


def measure(**changes: Any) -> RequestMetrics:
    sets: dict[str, Any] = {"forget": [1], "earlier": [0], "retain": [2, 3, 4], "missing": [4]} | changes
    return request_of(logits(BEFORE), logits(AFTER), LABELS, **sets)


def test_every_figure_by_hand() -> None:
    request = measure()
    assert request.classes == ("bob",)
    assert (request.acc_f.before, request.acc_f.after, request.acc_f.n) == (100.0, 50.0, 2)
    assert (request.acc_r.before, request.acc_r.after, request.acc_r.n) == (66.67, 66.67, 6)
    assert request.acc_o is not None
    assert (request.acc_o.before, request.acc_o.after, request.acc_o.n) == (100.0, 50.0, 2)
    assert request.acc_m is not None
    assert (request.acc_m.before, request.acc_m.after, request.acc_m.n) == (100.0, 50.0, 2)
    assert request.drop == 50.0
    assert request.h == 57.14  # 2 · 66.67 · 50 / 116.67


def test_interval_is_that_of_the_rate_after() -> None:
    # 1 of 2: 0.5 ± z · sqrt(1/8 + z²/16) / (1 + z²/2) with z² = 3.841459, so 0.5 ± 0.4055
    assert measure().acc_f.ci95 == pytest.approx((9.45, 90.55), abs=0.01)


def test_head_mask_hides_all_classes_forgotten_so_far_in_the_original() -> None:
    # Image 5 (cid, taken for ada) and image 7 (dot, taken for bob) fall back to their own class.
    assert measure().head_mask == HeadMask(acc_f=0.0, acc_r=100.0, h=100.0, acc_m=100.0)
    # With no earlier request ada is not hidden: image 5 stays wrong.
    alone = measure(earlier=[], missing=[])
    assert alone.head_mask == HeadMask(acc_f=0.0, acc_r=83.33, h=90.91)


def test_first_request_without_missing_classes() -> None:
    request = measure(forget=[1, 0], earlier=[], missing=[])
    assert request.classes == ("bob", "ada")
    assert request.acc_f.n == 4
    assert request.acc_o is None
    assert request.acc_m is None


def test_work_is_passed_on() -> None:
    request = measure()
    assert (request.images, request.groups, request.parameters) == (WORK.images, WORK.groups, WORK.parameters)
    assert (request.bytes, request.seconds) == (384, 1.24)


def test_baseline() -> None:
    assert measure_baseline(Accuracies(logits(BEFORE), LABELS)) == Baseline(acc=80.0, n=10)
    with pytest.raises(EvidenceError, match="Expected test images to measure a model on, got none"):
        measure_baseline(Accuracies(torch.zeros(0, 5), LABELS[:0]))


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ({"retain": [1, 2]}, r"forget and retain .* \[1\]"),
        ({"earlier": [0, 1]}, r"forget and earlier .* \[1\]"),
        ({"retain": [0, 2], "missing": []}, r"retain and earlier .* \[0\]"),
        ({"missing": [0]}, r"among those that stay, got \[0\]"),
        ({"forget": []}, "acc_f on, got none"),
    ],
)
def test_sets_must_not_contradict_each_other(sets: dict[str, Any], message: str) -> None:
    with pytest.raises(EvidenceError, match=message):
        measure(**sets)


def test_a_class_without_test_images_cannot_be_measured() -> None:
    rest = LABELS != 1
    with pytest.raises(EvidenceError, match=r"acc_f on, got none of its 1 classes \(bob\)"):
        request_of(logits(BEFORE)[rest], logits(AFTER)[rest], LABELS[rest], forget=[1], retain=[2, 3, 4], earlier=[0])


def test_rows_in_place_by_hand() -> None:
    """The original's head finds one of two bobs, none of the adas, and takes one of dot's images for bob."""
    rows = torch.zeros(10, 5)
    rows[2, 1] = rows[6, 1] = 3.0
    rows[7, 3] = 9.0  # dot stays: this head has no say on her
    sets: dict[str, Any] = {"forget": [1], "earlier": [0], "retain": [2, 3, 4]}
    found = request_of(logits(BEFORE), logits(AFTER), LABELS, rows=rows, **sets).weights_alone
    assert found is not None
    assert (found.acc_f.before, found.acc_f.after, found.acc_f.n) == (100.0, 50.0, 2)
    assert found.acc_o is not None
    assert (found.acc_o.before, found.acc_o.after) == (100.0, 0.0)
    assert found.h == 50.0  # 3 of 6 that stay are right, and 50 points were lost
    assert measure().weights_alone is None
