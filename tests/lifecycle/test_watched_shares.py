"""What a workspace asks of its model's task: which measures are taken, and what the watch reads off."""

from pathlib import Path

import pytest

from expunge.adapters import Edit, EditStack
from expunge.evidence import make_measure, measure_names
from expunge.evidence.policy import Policy, load_policy
from expunge.lifecycle._shares import Shares, shares_of
from expunge.lifecycle.executor import wanted
from expunge.runs import load, read
from expunge.tasks import task_of
from expunge.vision import Wrapped
from expunge.vision.detection import load_detector
from tests.lifecycle.conftest import LENIENT
from tests.runs.detection.coco_folder import write_coco_folder
from tests.vision.detection.detectors import KINDS, write


def test_slow_measures_are_taken_where_a_rule_asks_for_them() -> None:
    every = [make_measure(name) for name in measure_names()]
    quick = {one.name for one in every if not one.slow}
    assert {one.name for one in every} > {*quick, "relearn-time", "quantisation"}
    # Without an oracle the default policy has one rule on a slow row: at eight bits the class must not come back.
    assert {one.name for one in wanted(every, load_policy())} == {*quick, "quantisation"}
    assert {one.name for one in wanted(every, Policy.parse(LENIENT, source="test"))} == quick


def shares(served: Wrapped, original: Wrapped, data: Path) -> Shares:
    aligned = task_of(original).align(read(data, like=original), original.classes, partial=True)
    return shares_of(served, original, aligned.test, [[0]])


def test_shares_are_the_served_models_own(toy_model_folder: Path, toy_data_folder: Path) -> None:
    original, served = (load(toy_model_folder, device="cpu") for _ in range(2))
    EditStack(served).push(Edit(masked=(5,)))  # fern, which stays, is harmed; amber has come back
    found = shares(served, original, toy_data_folder)
    (amber,) = found.earlier
    assert (amber.n, found.kept.n) == (6, 30)
    assert amber.percent > 80
    assert found.kept.percent <= 80 < 90 < found.original.percent <= found.masked.percent


def test_shares_are_the_served_detectors_own(tmp_path: Path) -> None:
    folder = write(KINDS[2], tmp_path / "detector")
    original, served = (load_detector(folder) for _ in range(2))
    scenes = write_coco_folder(tmp_path / "coco", original)
    EditStack(served).push(Edit(masked=(2,)))  # cats, which stay, are found no more; ants have come back
    found = shares(served, original, scenes)
    (ant,) = found.earlier
    assert (ant.n, ant.classes, found.kept.n, found.kept.classes) == (4, 1, 8, 2)
    assert ant.percent > 20
    assert found.original.percent == pytest.approx(found.masked.percent)  # each class is said with a sigmoid of its own
    assert 10 < found.kept.percent < found.original.percent - 10
