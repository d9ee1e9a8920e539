import pytest

from expunge.bench.load import load_cells
from expunge.bench.notrun import LeftOut, load_not_run
from expunge.errors import CorruptRunError, EvidenceError
from tests.bench.made_up import cell, rate, request, write


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


@pytest.mark.parametrize("damage", [b"{", b"[]", b"\xff\xfe", b'{"schema": "expunge/bench-cell/v2"}'])
def test_a_damaged_cell_is_named(folder, damage) -> None:
    file(folder, "ewc", 0).write_bytes(damage)
    with pytest.raises(CorruptRunError, match=r"ewc/seed-0\.json: .*Delete the file"):
        load_cells(folder)


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
