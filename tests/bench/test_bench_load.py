import json
import math

import pytest

from expunge.bench._not_run import LeftOut, load_not_run
from expunge.bench._results import Cell
from expunge.bench.load import load_cells
from expunge.errors import CorruptRunError, EvidenceError
from tests.bench.made_up import MACHINE, cell, rate, request, write


@pytest.fixture
def folder(tmp_path):
    requests = [request(1, {"acc_f": rate(0)})]
    return write(tmp_path, [cell("scrub", 1, requests), cell("scrub", 0, requests), cell("ewc", 0, requests)])


def file(folder, method: str, seed: int):
    return folder / f"cells/faces/replay/{method}/seed-{seed}.json"


def test_reads_all_cells_in_order(folder) -> None:
    assert [(one.method, one.seed) for one in load_cells(folder)] == [("ewc", 0), ("scrub", 0), ("scrub", 1)]


def test_unfinished_cells_are_none(folder) -> None:
    file(folder, "ewc", 0).rename(file(folder, "ewc", 0).with_suffix(".part"))
    assert len(load_cells(folder)) == 2


def test_no_cells_says_what_to_run(tmp_path) -> None:
    with pytest.raises(EvidenceError, match=r"expunge bench run SUITE --out"):
        load_cells(tmp_path)


@pytest.mark.parametrize("damage", [b"{", b"[]", b"\xff\xfe"])
def test_a_damaged_cell_is_named(folder, damage) -> None:
    file(folder, "ewc", 0).write_bytes(damage)
    with pytest.raises(CorruptRunError, match=r"ewc/seed-0\.json: .*Delete the file"):
        load_cells(folder)


@pytest.mark.parametrize(
    "newer", [{"schema": "expunge/bench-cell/v2"}, {"schema": "expunge/bench-cell/v2", "suite": 3}, {"weather": "fine"}]
)
def test_a_cell_of_another_version_is_not_to_be_deleted(folder, newer) -> None:
    path = file(folder, "ewc", 0)
    path.write_text(json.dumps({**json.loads(path.read_text()), **newer}))
    with pytest.raises(CorruptRunError, match=r"ewc/seed-0\.json: .*written by another version of expunge"):
        load_cells(folder)


@pytest.mark.parametrize(
    ("what", "where"),
    [
        ({"requests": []}, "requests: .* at least 1 item"),
        ({"machine": {**MACHINE.model_dump(), "memory_gb": math.nan}}, "machine.memory_gb: .* finite number"),
    ],
)
def test_a_cell_without_requests_or_with_a_number_that_is_none_is_damaged(folder, what, where) -> None:
    path = file(folder, "ewc", 0)
    path.write_text(json.dumps({**json.loads(path.read_text()), **what}))
    with pytest.raises(CorruptRunError, match=rf"ewc/seed-0\.json: .*{where}"):
        load_cells(folder)


def test_what_is_not_known_of_a_cell_is_not_written() -> None:
    said = json.loads(cell("ewc", 0, [request(1, {})], base="").to_json())
    assert not {"task", "base", "oracles"} & said.keys()
    known = cell("ewc", 0, [request(1, {})], base="a" * 64, oracles={1: "b" * 64})
    assert Cell.parse(known.to_json()) == known


def test_a_cut_off_cell_is_named(folder) -> None:
    path = file(folder, "scrub", 1)
    path.write_text(path.read_text()[:-200])
    with pytest.raises(CorruptRunError, match=r"scrub/seed-1\.json"):
        load_cells(folder)


def test_a_cell_in_the_wrong_place_is_named(folder) -> None:
    file(folder, "ewc", 0).rename(file(folder, "scrub", 2))
    with pytest.raises(CorruptRunError, match=r"scrub/seed-2\.json: .*it holds faces/replay/ewc/seed-0"):
        load_cells(folder)


def test_not_run(tmp_path) -> None:
    listed = tmp_path / "not-run.toml"
    assert load_not_run(listed) == ()
    listed.write_text('[[cells]]\nsuite = "faces"\nsetting = "all"\nmethods = ["ewc"]\nwhy = "too slow"\n')
    assert load_not_run(listed) == (LeftOut(suite="faces", setting="all", methods=("ewc",), why="too slow"),)


@pytest.mark.parametrize("text", ["[[cells]", '[[cells]]\nsuite = "faces"\n', '[[cell]]\nsuite = "faces"\n'])
def test_a_damaged_not_run_is_named(tmp_path, text) -> None:
    (tmp_path / "not-run.toml").write_text(text)
    with pytest.raises(CorruptRunError, match=r"not-run\.toml: expected \[\[cells\]\]"):
        load_not_run(tmp_path / "not-run.toml")
