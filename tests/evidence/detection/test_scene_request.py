"""The figures of one request in AP50, and the file that holds them."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from expunge.data import Box, Scenes
from expunge.errors import CorruptRunError, EvidenceError
from expunge.evidence import (
    Baseline,
    Groups,
    ImagesUsed,
    Metrics,
    ModelInfo,
    Parameters,
    RequestMetrics,
    Work,
    measure_baseline,
    measure_request,
)
from expunge.tasks import find_task
from expunge.tasks.rows import HeadRows
from expunge.vision.detection.scene_states import SceneView
from tests.evidence.detection.made import NAMES, grid, scenes, view_of

WORK = Work(ImagesUsed(forget=8, retain=30), Groups(total=4, kept=3), Parameters(edited=9, total=90), 36, 1.5)
TRUTH = grid()
UNTOUCHED, WITHOUT_ANTS = view_of(TRUTH), view_of(TRUTH, lost=(0,))


def measured(before: SceneView, after: SceneView, truth: Scenes, *, rows: HeadRows | None = None, **sets: Any) -> Any:
    """As a run measures it."""
    task, gone = find_task("detection"), {*sets["forget"], *sets.get("earlier", ())}
    seen = (before, after, task.struck(before, gone))
    rates = [task.scores(one, truth) for one in seen]
    alone = None if rows is None else task.scores(task.in_place(after, rows, gone), truth)
    return measure_request(*rates, alone=alone, classes=NAMES, work=WORK, **sets)


def baseline(view: SceneView, truth: Scenes) -> Baseline:
    return measure_baseline(find_task("detection").scores(view, truth))


def request(after: SceneView = WITHOUT_ANTS, **changes: Any) -> RequestMetrics:
    sets: dict[str, Any] = {"forget": (0,), "retain": (1, 2, 3)} | changes
    return measured(UNTOUCHED, after, TRUTH, **sets)


def test_baseline_counts_all_objects() -> None:
    assert baseline(UNTOUCHED, TRUTH) == Baseline(acc=100.0, n=120)
    assert baseline(WITHOUT_ANTS, TRUTH).acc == 75.0


def test_a_class_that_is_gone() -> None:
    row = request()
    ants = TRUTH.counts()[0]
    assert (row.acc_f.before, row.acc_f.after, row.acc_f.n, row.acc_f.ci95) == (100.0, 0.0, ants, (0.0, 0.0))
    assert (row.acc_r.before, row.acc_r.after, row.acc_r.n) == (100.0, 100.0, 120 - ants)
    assert (row.acc_o, row.acc_m, row.h) == (None, None, 100.0)
    assert row.classes == ("ant",)
    assert (row.seconds, row.bytes, row.images) == (1.5, 36, WORK.images)


def test_the_head_mask_says_nothing_and_keeps_the_rest() -> None:
    row = request(UNTOUCHED, forget=(0,), earlier=(1,), retain=(2, 3), missing=(3,))
    assert (row.head_mask.acc_f, row.head_mask.acc_r, row.head_mask.h, row.head_mask.acc_m) == (
        0.0,
        100.0,
        100.0,
        100.0,
    )
    assert row.acc_f.after == 100.0
    assert row.h == 0.0
    assert row.acc_o is not None
    assert row.acc_o.after == 100.0
    assert row.acc_m is not None
    assert row.acc_m.n == TRUTH.counts()[3]


def test_rows_in_place_are_those_of_the_detector_that_was_only_struck() -> None:
    """Ants are struck, their features are not: the original's rows find every one of them, of bees none."""
    sets = {"forget": (0,), "earlier": (1,), "retain": (2, 3)}
    struck = view_of(TRUTH, lost=(0, 1))
    known = UNTOUCHED.logits.clone()
    known[..., 1] = -1e4  # what the weights have lost no row brings back
    known[..., 2] = 9.0  # cats stay: this head has no say on them
    width = known.shape[-1]
    head = nn.Linear(width, width, bias=False).requires_grad_(False)
    head.weight.copy_(torch.eye(width))  # a head that says what it is given
    row = request(replace(struck, features=known), rows=HeadRows(head, width), **sets)
    assert (row.acc_f.after, row.head_mask.acc_f) == (0.0, 0.0)
    assert row.weights_alone is not None
    assert row.weights_alone.acc_f == row.acc_f.model_copy(update={"after": 100.0, "ci95": (100.0, 100.0)})
    assert row.weights_alone.acc_o is not None
    assert row.weights_alone.acc_o.after == 0.0
    assert row.weights_alone.h == 0.0
    assert request(struck, **sets).weights_alone is None


def test_intervals_are_the_same_each_time() -> None:
    worse = view_of(TRUTH, lost=(0,))
    worse.boxes[::3] = 0.1  # a third of the scenes comes out wrong
    row = request(worse)
    low, high = row.acc_r.ci95
    assert 0 < low < row.acc_r.after < high < 100
    assert row == request(worse)


def test_groups_that_cannot_be_measured() -> None:
    with pytest.raises(EvidenceError, match="forget and retain"):
        request(retain=(0, 1))
    truth = scenes([Box((1.0, 1.0, 30.0, 30.0), 1)])
    seen = view_of(truth)
    with pytest.raises(EvidenceError, match=r"none of its 1 classes \(ant\)"):
        measured(seen, seen, truth, forget=(0,), retain=(1, 2, 3))
    with pytest.raises(EvidenceError, match="Expected test objects"):
        baseline(seen, truth.without([1]))


def metrics(**changes: Any) -> Metrics:
    values: dict[str, Any] = {"task": "detection", "unit": "AP50"} | changes
    model = ModelInfo(name="zoo:scenes", sha256="0f" * 32, classes=NAMES)
    return Metrics(model=model, method="head-mask", seed=0, baseline=Baseline(acc=100.0, n=120), **values)


def test_the_file_says_what_its_rates_are() -> None:
    written = metrics().with_request(request())
    text = written.to_json()
    assert list(json.loads(text))[:4] == ["schema", "task", "unit", "model"]
    assert (written.task, written.unit) == ("detection", "AP50")
    assert Metrics.parse(text) == written
    assert Metrics.parse(text).to_json() == text


def test_the_file_of_a_classifier_stays_as_it_was() -> None:
    plain = metrics(task="classification", unit="accuracy")
    assert "task" not in plain.to_json()
    assert "unit" not in plain.to_json()
    assert Metrics.parse(plain.to_json()).to_json() == plain.to_json()
    with pytest.raises(ValueError, match="unit: expected 'AP50' for the task 'detection'"):
        metrics(unit="accuracy")
    with pytest.raises(CorruptRunError, match="task: "):
        Metrics.parse(metrics().to_json().replace('"detection"', '"painting"'))
