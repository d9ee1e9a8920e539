"""Matching and boxes, against sums made by hand and by trying every assignment."""

import math
from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from expunge.errors import DetectionError
from expunge.vision.detection import (
    Costs,
    Criterion,
    DetectionOutput,
    Target,
    assign,
    cost_matrix,
    criterion_of,
    detect,
    match,
    matched,
    overlaps,
    pairs,
    to_centres,
    to_corners,
)


def output(logits: list[list[float]], boxes: list[list[float]], kind: str = "softmax") -> DetectionOutput:
    """One image; the features number the queries."""
    features = torch.arange(float(len(logits)))[None, :, None].expand(1, -1, 2)
    return DetectionOutput(
        features, torch.tensor([logits]), torch.tensor([boxes]), "softmax" if kind == "softmax" else "sigmoid"
    )


def logs(*p: float) -> list[float]:
    return [math.log(x) for x in p]


def test_corners_and_centres() -> None:
    assert to_corners(torch.tensor([[0.5, 0.4, 0.2, 0.4]])).tolist()[0] == pytest.approx([0.4, 0.2, 0.6, 0.6])
    assert to_centres(torch.tensor([2.0, 4.0, 6.0, 10.0])).tolist() == [4.0, 7.0, 4.0, 6.0]


def test_overlaps_by_hand() -> None:
    # 2 x 2 and 2 x 2 share 1 x 1: union 7, hull 3 x 3. Beside each other with a gap of 2: hull 6 x 2.
    a = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 2.0], [1.0, 1.0, 1.0, 1.0]])
    b = torch.tensor([[1.0, 1.0, 3.0, 3.0], [4.0, 0.0, 6.0, 2.0], [0.0, 0.0, 2.0, 2.0], [1.0, 1.0, 1.0, 1.0]])
    iou, giou = overlaps(a, b)
    assert iou.tolist() == pytest.approx([1 / 7, 0.0, 1.0, 0.0])
    assert giou.tolist() == pytest.approx([1 / 7 - 2 / 9, -4 / 12, 1.0, 0.0])
    every, _ = pairs(a[:3], b[:2])
    assert every.shape == (3, 2)
    assert every[2].tolist() == pytest.approx([1 / 7, 0.0])


def test_the_cost_of_a_pair_by_hand() -> None:
    out = output([logs(0.5, 0.3, 0.2)], [[0.5, 0.5, 0.2, 0.2]])
    there = Target(torch.tensor([1]), torch.tensor([[0.5, 0.5, 0.4, 0.2]]))
    # one box is half of the other: iou = giou = 1/2, the sum of differences is 0.2
    cost = cost_matrix(out, 0, there, Costs("probability", 1.0, 5.0, 2.0))
    assert cost.item() == pytest.approx(-0.3 + 5 * 0.2 - 2 * 0.5)
    sigmoid = output([[0.0, math.log(0.8 / 0.2)]], [[0.5, 0.5, 0.2, 0.2]], "sigmoid")
    expected = -0.25 * 0.2**2 * math.log(0.8) + 0.75 * 0.8**2 * math.log(0.2)
    assert cost_matrix(sigmoid, 0, there, Costs("focal", 2.0, 0.0, 0.0)).item() == pytest.approx(2 * expected, rel=1e-5)


def test_the_cheapest_assignment_is_not_the_greedy_one() -> None:
    found = assign(torch.tensor([[1.0, 2.0], [1.5, 9.0], [8.0, 8.0]]))
    assert (found.queries.tolist(), found.objects.tolist()) == ([1, 0], [0, 1])


@pytest.mark.parametrize(("queries", "objects"), [(5, 3), (3, 3), (6, 1), (4, 0), (2, 4)])
def test_assignments_are_scipys_and_the_best_of_all(queries: int, objects: int) -> None:
    cost = np.random.default_rng(queries + 10 * objects).normal(size=(queries, objects)).astype(np.float32)
    found = assign(torch.from_numpy(cost))
    rows, columns = linear_sum_assignment(cost)
    pairs_found = set(zip(found.queries.tolist(), found.objects.tolist(), strict=True))
    assert pairs_found == set(zip(rows.tolist(), columns.tolist(), strict=True))
    assert found.objects.tolist() == sorted(found.objects.tolist())
    if 0 < objects <= queries:
        best = min(sum(cost[q, k] for k, q in enumerate(order)) for order in permutations(range(queries), objects))
        assert sum(cost[q, k] for q, k in pairs_found) == pytest.approx(best, rel=1e-5)


def test_a_pair_without_a_cost_is_the_last_resort() -> None:
    nan, inf = float("nan"), float("inf")
    found = assign(torch.tensor([[nan, 3.0], [5.0, inf], [9.0, 9.0]]))
    assert (found.queries.tolist(), found.objects.tolist()) == ([1, 0], [0, 1])


def test_matched_puts_pairs_side_by_side() -> None:
    boxes = [[0.2, 0.2, 0.1, 0.1], [0.8, 0.8, 0.1, 0.1], [0.5, 0.5, 0.9, 0.9]]
    one = output([logs(0.8, 0.1, 0.1), logs(0.1, 0.8, 0.1), logs(0.1, 0.1, 0.8)], boxes)
    both = DetectionOutput(
        one.features.repeat(2, 1, 1), one.logits.repeat(2, 1, 1), one.boxes.repeat(2, 1, 1), "softmax"
    )
    there = (
        Target(torch.tensor([1, 0]), torch.tensor([boxes[1], boxes[0]])),
        Target(torch.tensor([0]), torch.tensor([boxes[2]])),
    )
    matches = match(both, there, Costs())
    assert [m.queries.tolist() for m in matches] == [[1, 0], [2]]
    side = matched(both, there, matches)
    assert side.images.tolist() == [0, 0, 1]
    assert side.features[:, 0].tolist() == [1.0, 0.0, 2.0]
    assert side.labels.tolist() == [1, 0, 0]
    assert torch.equal(side.truth, side.boxes)
    nothing = (Target(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4)),) * 2
    assert matched(both, nothing, match(both, nothing, Costs())).features.shape == (0, 2)


def test_cross_entropy_by_hand() -> None:
    out = output([logs(0.5, 0.3, 0.2), logs(0.1, 0.1, 0.8)], [[0.5, 0.5, 0.4, 0.2], [0.1, 0.1, 0.1, 0.1]])
    there = (Target(torch.tensor([1]), torch.tensor([[0.5, 0.5, 0.2, 0.2]])),)
    loss = Criterion().loss(out, there)
    assert loss.label.item() == pytest.approx(-(math.log(0.3) + 0.1 * math.log(0.8)) / 1.1, rel=1e-5)
    assert loss.l1.item() == pytest.approx(5 * 0.2, rel=1e-5)
    assert loss.giou.item() == pytest.approx(2 * 0.5, rel=1e-5)
    assert loss.total.item() == pytest.approx(float(loss.label + loss.l1 + loss.giou))


def test_targets_that_do_not_fit_are_refused() -> None:
    out = output([logs(0.5, 0.3, 0.2)], [[0.5, 0.5, 0.4, 0.2]])
    with pytest.raises(DetectionError, match="2 targets came for 1 images"):
        match(out, (Target(torch.tensor([0]), torch.zeros(1, 4)),) * 2, Costs())
    with pytest.raises(DetectionError, match="classes 0 to 1"):  # the third row is no object
        match(out, (Target(torch.tensor([2]), torch.zeros(1, 4)),), Costs())
    with pytest.raises(DetectionError, match="1 sizes came for 2"):
        detect(DetectionOutput(torch.zeros(2, 1, 2), torch.zeros(2, 1, 3), torch.zeros(2, 1, 4), "softmax"), [(1, 1)])
    with pytest.raises(DetectionError, match="hand over `criterion=`"):
        criterion_of(None, "softmax")


def test_detections_of_a_softmax_by_hand() -> None:
    out = output(
        [logs(0.2, 0.1, 0.7), logs(0.1, 0.6, 0.3), logs(0.35, 0.25, 0.4)],
        [[0.5, 0.5, 0.2, 0.4], [0.25, 0.5, 0.5, 1.0], [0.1, 0.1, 0.4, 0.2]],
    )
    found = detect(out, [(200, 100)])[0]
    assert found.scores.tolist() == pytest.approx([0.6, 0.35, 0.2])
    assert (found.labels.tolist(), found.queries.tolist()) == ([1, 0, 0], [1, 2, 0])
    expected = [[0.0, 0.0, 100.0, 100.0], [-20.0, 0.0, 60.0, 20.0], [80.0, 30.0, 120.0, 70.0]]
    assert found.boxes.tolist() == [pytest.approx(box, abs=1e-4) for box in expected]
    assert len(detect(out, [(200, 100)], threshold=0.3)[0]) == 2
    assert len(detect(out, [(200, 100)], most=1)[0]) == 1


def test_a_query_may_say_two_things_with_sigmoids() -> None:
    out = output([[3.0, 2.0], [-1.0, 1.0]], [[0.5, 0.5, 1.0, 1.0], [0.5, 0.5, 0.5, 0.5]], "sigmoid")
    found = detect(out, [(10, 10)], most=3)[0]
    assert list(zip(found.queries.tolist(), found.labels.tolist(), strict=True)) == [(0, 0), (0, 1), (1, 1)]
    assert found.scores.tolist() == pytest.approx([1 / (1 + math.exp(-x)) for x in (3.0, 2.0, 1.0)])
