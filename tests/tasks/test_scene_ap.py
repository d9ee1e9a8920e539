"""AP against COCO's published evaluator, and by hand."""

import contextlib
import io
import sys
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from expunge.data import Box, Scenes
from expunge.errors import EvidenceError, MissingExtraError
from expunge.tasks.detection._spread import spread_of
from expunge.tasks.detection.average_precision import ClassAP, average_precision, mean_of
from expunge.tasks.detection.matching import match_scenes
from expunge.vision.detection import Detections
from tests.evidence.detection.made import found, scenes, wild

A, B = (10.0, 10.0, 50.0, 50.0), (60.0, 60.0, 90.0, 90.0)
HALF = (10.0, 10.0, 50.0, 30.0)  # an overlap of exactly one half with A
FAR = (60.0, 5.0, 80.0, 25.0)


def published(answers: Sequence[Detections], truth: Scenes) -> list[tuple[float, float]]:
    """AP and AP50 of each class in percent by pycocotools, -100 where there is none."""
    annotations, results = [], []
    for image, (scene, answer) in enumerate(zip(truth.scenes, answers, strict=True), start=1):
        for box in (*scene.boxes, *scene.crowds):
            left, top, right, bottom = box.corners
            sides = {"bbox": [left, top, right - left, bottom - top], "area": (right - left) * (bottom - top)}
            identity = {"id": len(annotations) + 1, "image_id": image, "category_id": box.label + 1}
            annotations.append({**identity, **sides, "iscrowd": int(box.crowd)})
        for (left, top, right, bottom), score, label in zip(
            answer.boxes.double().tolist(), answer.scores.tolist(), answer.labels.tolist(), strict=True
        ):
            box = [left, top, right - left, bottom - top]
            results.append({"image_id": image, "category_id": label + 1, "bbox": box, "score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        there: Any = COCO()  # its annotations promise other types than it takes
        there.dataset = {
            "images": [{"id": i + 1, "width": 100, "height": 100} for i in range(len(truth))],
            "categories": [{"id": i + 1, "name": name} for i, name in enumerate(truth.classes)],
            "annotations": annotations,
        }
        there.createIndex()
        run = COCOeval(there, there.loadRes(results), "bbox")
        run.evaluate()
        run.accumulate()
    precision = run.eval["precision"][:, :, :, 0, 2]
    return [(100 * precision[..., k].mean(), 100 * precision[0, :, k].mean()) for k in range(len(truth.classes))]


@pytest.mark.parametrize("seed", range(4))
def test_as_pycocotools_counts(seed: int, capfd: pytest.CaptureFixture[str]) -> None:
    truth, answers = wild(seed)
    assert capfd.readouterr() == ("", "")
    each = average_precision(answers, truth)
    assert capfd.readouterr() == ("", "")  # the evaluator keeps its talk to itself
    wanted = published(answers, truth)
    assert each[3] == ClassAP(None, None, 0)
    assert wanted[3] == (-100, -100)
    for one, (ap, ap50) in zip(each[:3], wanted[:3], strict=True):
        assert one.ap == pytest.approx(ap, abs=1e-9)
        assert one.ap50 == pytest.approx(ap50, abs=1e-9)
        assert 0 < (one.ap or 0) < (one.ap50 or 0) < 100
    assert [one.objects for one in each] == list(truth.counts())


@pytest.mark.parametrize("seed", range(4))
def test_matched_once_it_counts_the_same(seed: int) -> None:
    truth, answers = wild(seed)
    each, matches = average_precision(answers, truth), match_scenes(answers, truth)
    for one, match in zip(each[:3], matches[:3], strict=True):
        (columns,) = match.resampled(torch.ones(1, len(truth), dtype=torch.float64))
        assert float(columns.mean()) == pytest.approx(one.ap, abs=1e-9)
        assert float(columns[0]) == pytest.approx(one.ap50, abs=1e-9)
    assert matches[3].resampled(torch.ones(2, len(truth), dtype=torch.float64)).isnan().all()


@settings(max_examples=6)
@given(times=st.lists(st.integers(0, 3), min_size=10, max_size=10))
def test_a_scene_counted_thrice_is_a_scene_that_is_there_thrice(times: list[int]) -> None:
    truth, answers = wild(7, n=10)
    # Scores that never tie: among equals the order of the scenes would decide.
    answers = tuple(
        Detections(one.boxes, one.scores + 1e-3 * (i + torch.arange(len(one)) / 50), one.labels, one.queries)
        for i, one in enumerate(answers)
    )
    repeated = [i for i, number in enumerate(times) for _ in range(number)]
    copies = scenes(*([*truth.scenes[i].boxes, *truth.scenes[i].crowds] for i in repeated))
    wanted = average_precision([answers[i] for i in repeated], copies)
    weights = torch.tensor([times], dtype=torch.float64)
    for one, match in zip(wanted, match_scenes(answers, truth), strict=True):
        got = float(match.resampled(weights)[0, 0])
        assert got == pytest.approx(one.ap50, abs=1e-9) if one.ap50 is not None else got != got


def test_by_hand() -> None:
    # Two objects: the surest box finds one, the second is wrong, the third finds the other. Precision 1, 1/2, 2/3;
    # made to fall with recall 1 up to recall 1/2 and 2/3 beyond: 51 of the 101 recalls, and 50.
    truth = scenes([Box(A, 0)], [Box(B, 0)])
    each = average_precision((found((A, 0, 0.9), (FAR, 0, 0.8)), found((B, 0, 0.7))), truth)
    assert each[0].ap50 == pytest.approx(100 * (51 + 50 * 2 / 3) / 101)
    assert each[0].ap == pytest.approx(each[0].ap50)


def test_an_overlap_of_one_half_is_right_in_ap50_alone() -> None:
    (ant, *_) = average_precision((found((HALF, 0, 0.9)),), scenes([Box(A, 0)]))
    assert ant.ap50 == pytest.approx(100)
    assert ant.ap == pytest.approx(10)  # one of ten overlaps


def test_found_twice_is_wrong_once_and_in_a_group_never() -> None:
    twice = (found((A, 0, 0.9), (A, 0, 0.95), (B, 0, 0.8)),)
    (alone, *_) = average_precision(twice, scenes([Box(A, 0), Box(B, 0)]))
    assert alone.ap50 == pytest.approx(100 * (51 + 50 * 2 / 3) / 101)
    (grouped, *_) = average_precision(
        twice, scenes([Box(A, 0), Box(B, 0), Box((0.0, 0.0, 100.0, 100.0), 0, crowd=True)])
    )
    assert grouped.ap50 == pytest.approx(100)
    assert grouped.objects == 2


def test_nothing_there_and_nothing_found() -> None:
    assert average_precision((found((A, 0, 0.9)),), scenes([])) == (ClassAP(None, None, 0),) * 4
    assert average_precision((found(),), scenes([Box(A, 0)]))[0] == ClassAP(0.0, 0.0, 1)


def test_a_box_that_is_no_number_is_wrong() -> None:
    nan = float("nan")
    truth, answers = scenes([Box(A, 0)]), (found(((nan, nan, nan, nan), 0, 0.9)),)
    assert average_precision(answers, truth)[0].ap50 == 0
    assert not match_scenes(answers, truth)[0].right.any()


def test_the_mean_is_over_classes_that_are_there() -> None:
    each = (ClassAP(10.0, 20.0, 3), ClassAP(None, None, 0), ClassAP(30.0, 60.0, 1))
    assert mean_of(each, (0, 1, 2)) == ClassAP(20.0, 40.0, 4)
    assert mean_of(each, (1,)) == ClassAP(None, None, 0)


def test_intervals_hold_the_value_and_never_change() -> None:
    truth, answers = wild(2)
    each = average_precision(answers, truth)
    spread = spread_of(match_scenes(answers, truth), seed=4)
    value = mean_of(each, (0, 1)).ap50 or 0.0
    interval = spread.at_half.interval((0, 1, 3), value)  # a class without objects plays no part
    assert interval == spread_of(match_scenes(answers, truth), seed=4, overlaps=1).interval((0, 1), value)
    assert 0 < interval.low < value < interval.high < 100
    assert spread.interval((0, 1), 100.0).high == 100.0
    with pytest.raises(EvidenceError, match="defined for some draw"):
        spread.interval((3,), 0.0)


def test_more_scenes_tell_more_exactly() -> None:
    def width(n: int) -> float:
        truth, answers = wild(3, n)
        value = average_precision(answers, truth)[0].ap50 or 0.0
        interval = spread_of(match_scenes(answers, truth), seed=0, overlaps=1).interval((0,), value)
        return interval.high - interval.low

    assert width(160) < 0.7 * width(20)


def test_answers_to_other_scenes() -> None:
    truth = scenes([Box(A, 0)])
    with pytest.raises(EvidenceError, match="got 2 for 1 scenes"):
        average_precision((found(), found()), truth)
    with pytest.raises(EvidenceError, match="detections of 4 classes, got label 4"):
        match_scenes((found((A, 4, 0.5)),), truth)


def test_which_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    with pytest.raises(MissingExtraError, match=r"expunge\[detection\]"):
        average_precision((found(),), scenes([Box(A, 0)]))
