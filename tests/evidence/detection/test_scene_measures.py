"""Every measure fires on the untouched detector, and cannot on one whose boxes or features of the class are gone."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from expunge.data import Box
from expunge.errors import EvidenceError
from expunge.evidence import Case, Measure, Reading, make_measure, make_measures, measure_names
from expunge.evidence.measures.average_precision import AveragePrecision
from expunge.evidence.measures.linear_probe import LinearProbe
from expunge.evidence.measures.prototype_relearning import PrototypeRelearning
from expunge.evidence.measures.relabelling import Relabelling
from expunge.evidence.protocol import take
from expunge.tasks.detection.answers import best_threshold, fired
from expunge.tasks.detection.matching import match_scenes
from expunge.tasks.detection.views import DetectionView
from expunge.vision.detection.scene_states import SceneView
from tests.evidence.detection.made import found, grid, nobody, scenes, view_of

TRUTH, ATTACK = grid(seed=3), grid(seed=4)
A, B = (10.0, 10.0, 50.0, 50.0), (60.0, 60.0, 90.0, 90.0)


def seen(test: SceneView | None = None, **how: Any) -> DetectionView:
    return DetectionView(view_of(ATTACK, seed=1, **how).objects, test or view_of(TRUTH, **how))


UNTOUCHED, GONE = seen(), seen(lost=(0,))


def case(view: DetectionView, **changes: Any) -> Case:
    values: dict[str, Any] = {"forget": (0,), "earlier": (), "retain": (1, 2, 3), "oracle": None} | changes
    return Case(model=nobody(), view=view, original=UNTOUCHED, attack=ATTACK, test=TRUTH, **values)


def taken(measure: Measure, under_test: Case) -> dict[str, Reading]:
    readings, skipped = take(under_test, [measure])
    assert skipped == {}
    assert {reading.key for reading in readings} <= set(measure.labels)
    return {reading.key: reading for reading in readings}


def renamed(as_class: int, score: float = 4.0) -> SceneView:
    """The untouched detector, but what it called an ant it now calls otherwise."""
    view = view_of(TRUTH)
    logits = view.logits.clone()
    called = logits[..., 0] > 0
    logits[..., 0] = -1e4
    logits[..., as_class] = torch.where(called, score, logits[..., as_class])
    return replace(view, logits=logits)


def test_ours_are_installed() -> None:
    assert {"average-precision", "relabelling", "linear-probe", "prototype-relearning"} <= set(
        measure_names(task="detection")
    )
    for name, measure in zip(measure_names(task="detection"), make_measures(task="detection"), strict=True):
        assert isinstance(measure, Measure)
        assert measure.name == name
    with pytest.raises(EvidenceError, match="unknown measure 'retrieval'"):
        make_measure("retrieval", task="detection")


def test_ap_of_a_class_that_is_there_and_of_one_that_is_gone() -> None:
    there, gone = taken(AveragePrecision(), case(UNTOUCHED)), taken(AveragePrecision(), case(GONE))
    assert list(there) == ["acc_f", "acc_r", "h", "ap_f", "ap_r"]
    assert [there[key].value for key in there] == pytest.approx([100, 100, 0, 100, 100], abs=1e-3)
    assert [gone[key].value for key in gone] == pytest.approx([0, 100, 100, 0, 100], abs=1e-3)
    ants = TRUTH.counts()[0]
    assert [gone[key].n for key in gone] == [ants, 120 - ants, 120, ants, 120 - ants]
    assert [gone[key].aim for key in gone] == ["low", "high", "high", "low", "high"]


def test_ap_of_earlier_and_missing_classes() -> None:
    rows = taken(AveragePrecision(), case(seen(lost=(0, 1)), earlier=(1,), retain=(2, 3), missing=(3,)))
    assert list(rows) == ["acc_f", "acc_r", "acc_o", "acc_m", "h", "ap_f", "ap_r", "ap_o"]  # one class has no worst
    assert (rows["acc_o"].value, rows["ap_o"].value) == (0, 0)
    assert rows["acc_m"].value == pytest.approx(100)
    assert rows["acc_m"].n == TRUTH.counts()[3]


def test_one_class_that_is_still_found_is_not_hidden_by_the_others() -> None:
    rows = taken(AveragePrecision(), case(seen(lost=(0,)), forget=(0, 1), retain=(2, 3)))
    assert rows["acc_f"].value == pytest.approx(50, abs=1e-3)
    assert rows["acc_f_worst"].value == pytest.approx(100, abs=1e-3)
    assert (rows["acc_f_worst"].n, rows["acc_f_worst"].aim) == (TRUTH.counts()[1], "low")
    counts = TRUTH.counts()
    gone = taken(AveragePrecision(), case(seen(lost=(0, 1)), forget=(2,), earlier=(0, 1), retain=(3,)))
    assert (gone["acc_o_worst"].value, gone["acc_o_worst"].n) == (0, min(counts[0], counts[1]))
    assert "acc_f_worst" not in gone


def test_ap_of_a_worse_detector_has_the_same_interval_each_time() -> None:
    view = view_of(TRUTH)
    view.boxes[::4] = 0.2
    rows = taken(AveragePrecision(), case(seen(view), seed=5))
    assert rows == taken(AveragePrecision(), case(seen(view), seed=5))
    row = rows["acc_r"]
    assert row.low is not None
    assert row.high is not None
    assert 0 < row.low < row.value < row.high < 100
    assert row != taken(AveragePrecision(), case(seen(view), seed=6))["acc_r"]


def test_ap_needs_objects() -> None:
    nothing = replace(case(UNTOUCHED), test=TRUTH.without([0]))
    assert AveragePrecision().missing(nothing) == "needs test objects of a class of the request"
    assert Relabelling().missing(nothing) == "needs test objects of a forgotten class"


def test_relabelled_silent_or_neither() -> None:
    shares = {
        "untouched": (UNTOUCHED, 0.0, 0.0),
        "gone": (GONE, 0.0, 100.0),
        "renamed": (seen(renamed(2)), 100.0, 0.0),
        "hardly renamed": (seen(renamed(2, score=-4.0)), 0.0, 100.0),
    }
    for name, (view, relabelled, silent) in shares.items():
        rows = taken(Relabelling(), case(view))
        assert (rows["relabelled"].value, rows["silent"].value) == (relabelled, silent), name
        assert rows["silent"].n == TRUTH.counts()[0]
    # At a threshold that lets everything through, what is hardly said counts as well.
    assert taken(Relabelling(threshold=0.01), case(shares["hardly renamed"][0]))["relabelled"].value == 100.0


def test_relabelling_by_hand() -> None:
    near_b = (60.0, 60.0, 90.0, 88.0)
    truth = scenes([Box(A, 0), Box(B, 0), Box(near_b, 1)])

    def says(*boxes: Any) -> tuple[list[bool], list[bool]]:
        there, silent = fired((found(*boxes),), truth, (0,), 0.5)
        return there.tolist(), silent.tolist()

    assert says() == ([False, False], [True, True])
    assert says((A, 1, 0.6)) == ([True, False], [False, True])
    assert says((A, 1, 0.4)) == ([False, False], [True, True])  # below the threshold
    assert says((A, 0, 0.9), (A, 2, 0.6)) == ([True, False], [False, True])  # both names: relabelled
    # The bee that stands before the second ant is no second name of the ant, but a cat there is one.
    assert says((near_b, 1, 0.9)) == ([False, False], [True, True])
    assert says((near_b, 2, 0.9)) == ([False, True], [True, False])
    assert says((near_b, 0, 0.9)) == ([False, False], [True, False])


def test_the_threshold_is_where_f1_is_best() -> None:
    # Right, right, wrong, right, wrong: F1 of 2k/(n + 4) is 2/5, 4/6, 4/7, 6/8, 6/9 - best at the fourth.
    truth = scenes([Box(A, 0)], [Box(A, 1)], [Box(B, 0)], [Box(B, 1)])
    answers = (
        found((A, 0, 0.9), (B, 0, 0.7)),
        found((A, 1, 0.8), (B, 1, 0.2)),
        found((B, 0, 0.5)),
        found((A, 2, 0.99)),  # of a class that does not count
    )
    matches = match_scenes(answers, truth)
    assert best_threshold(matches[:2]) == pytest.approx(0.5)
    assert best_threshold(matches[2:]) is None
    tied = match_scenes((found((A, 0, 0.5), (B, 0, 0.5)), *answers[1:]), truth)
    assert best_threshold(tied[:2]) == pytest.approx(0.5)


def test_relabelling_without_a_threshold_to_go_by() -> None:
    blind = replace(case(GONE), original=seen(lost=(0, 1, 2, 3)))
    assert "or a threshold" in (Relabelling().missing(blind) or "")
    assert Relabelling(threshold=0.3).missing(blind) is None
    with pytest.raises(EvidenceError, match="from 0 to 1"):
        Relabelling(threshold=1.5)


@pytest.mark.parametrize("measure", [LinearProbe(decay=0.01), PrototypeRelearning()])
def test_features_of_objects(measure: LinearProbe | PrototypeRelearning) -> None:
    key = next(iter(measure.labels))
    there, gone = (taken(measure, case(view))[key] for view in (UNTOUCHED, seen(noise=100.0)))
    assert there.value > 95
    assert gone.value < 50  # nothing but noise: chance is one in four
    assert there.n == gone.n == TRUTH.counts()[0]


def test_a_head_mask_changes_no_feature() -> None:
    struck = replace(UNTOUCHED, test=replace(UNTOUCHED.test, logits=UNTOUCHED.test.logits - 1e4))
    for measure in (LinearProbe(decay=0.01), PrototypeRelearning()):
        assert take(case(struck), [measure]) == take(case(UNTOUCHED), [measure])


def test_objects_are_what_images_are_to_a_classifier() -> None:
    view = UNTOUCHED.features
    assert torch.equal(view.test.embedding, UNTOUCHED.test.objects.features)
    assert torch.equal(view.attack.labels, UNTOUCHED.attack.labels)
    assert len(view.test) == 120


def test_no_attack_without_attack_objects() -> None:
    empty = view_of(ATTACK.without([0]), seed=1).objects
    assert LinearProbe().missing(case(replace(UNTOUCHED, attack=empty))) == (
        "needs a forgotten class with attack images and test images"
    )
