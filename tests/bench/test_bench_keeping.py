"""What a run does with the cells that are there, and with folders that cannot hold any."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from expunge.bench import _cell as running
from expunge.bench import run as suites
from expunge.bench._bench import Bench
from expunge.bench._benches import open_benches
from expunge.bench._models import ModelStore
from expunge.bench._results import Cell
from expunge.bench.run import CellName, run_suite
from expunge.bench.suite import Suite, find_suite
from expunge.errors import BenchError, CorruptRunError, OutputError
from expunge.methods.sequence import Forgetting


def place(out: Path, method: str = "head-mask") -> Path:
    return CellName("fashion", "4-shot", method, 0).file(out)


def read(out: Path, method: str = "head-mask") -> Cell:
    return Cell.parse(place(out, method).read_text())


def run(out: Path, *methods: str, quick: bool = True, again: bool = False) -> int:
    rows = methods or ("head-mask",)
    return run_suite("fashion", out, settings=["4-shot"], methods=rows, seeds=[0], quick=quick, again=again)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bench")
    assert run(out, "head-mask", "original") == 2
    return out


@pytest.fixture
def done(made: Path, tmp_path: Path) -> Path:
    """A folder with two finished cells, to be spoiled."""
    out = tmp_path / "bench"
    for method in ("head-mask", "original"):
        place(out, method).parent.mkdir(parents=True)
        place(out, method).write_bytes(place(made, method).read_bytes())
    return out


@pytest.fixture
def unread(monkeypatch) -> None:
    """Fails whoever reads data."""

    def fail(suite: Suite, models: Path) -> None:
        raise AssertionError("data are read only when everything else is in order")

    monkeypatch.setattr(suites, "open_benches", fail)


def change(path: Path, **fields: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


class TestOtherCells:
    def test_cells_that_something_else_decided_are_not_replaced(self, done, unread) -> None:
        for method in ("head-mask", "original"):
            change(place(done, method), key="0" * 64)
        before = [place(done, method).read_text() for method in ("head-mask", "original")]
        with pytest.raises(BenchError, match=r"2 cells in .* would be replaced, such as .*seed-0\.json.*--again"):
            run(done, "head-mask", "original", "gs-lora")
        assert [place(done, method).read_text() for method in ("head-mask", "original")] == before

    def test_unless_that_is_asked_for(self, done) -> None:
        change(place(done), key="0" * 64)
        assert run(done, again=True) == 1
        assert read(done).key != "0" * 64

    def test_whole_cells_and_tiny_ones_are_kept_apart(self, done, unread) -> None:
        with pytest.raises(BenchError, match=r"1 cell in .* would be replaced"):
            run(done, quick=False)

    def test_a_cell_that_came_meanwhile_is_not_replaced_either(self, done, made, monkeypatch) -> None:
        place(done).unlink()

        def late(suite: Suite, models: Path):
            place(done).write_bytes(place(made).read_bytes())
            change(place(done), key="0" * 64)
            return open_benches(suite, models)

        monkeypatch.setattr(suites, "open_benches", late)
        with pytest.raises(BenchError, match="1 cell in"):
            run(done)


class TestBases:
    def test_cells_say_what_they_come_from_and_are_compared_with(self, made) -> None:
        suite = find_suite("fashion", quick=True)
        assert isinstance(suite, Suite)
        store = ModelStore(made / "models", suite, suite.load().train)
        (checkpoint,) = suite.checkpoints
        classes = suite.load().classes
        forgotten = [classes.index(name) for request in suite.requests for name in request]
        for method in ("head-mask", "original"):
            cell = read(made, method)
            assert cell.base == suite.base().digest()
            assert cell.oracles == {checkpoint: store.oracle("oracle-scratch", forgotten, 0).model.digest()}

    @pytest.mark.slow
    def test_a_cell_of_another_base_model_is_run_again(self, done) -> None:
        change(place(done), base="0" * 64)
        assert run(done) == 1
        assert read(done).base != "0" * 64

    def test_one_that_does_not_say_is_left_alone_and_its_model_is_not_asked_for(self, done, monkeypatch) -> None:
        change(place(done), base="")
        monkeypatch.setattr("expunge.bench._bench.Bench.digest", lambda bench: pytest.fail("asked"))
        assert run(done) == 0


class TestFolders:
    def test_a_file_is_no_folder(self, tmp_path, unread) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError, match=r"cannot write to .*file.*: Not a directory\. Choose another --out"):
            run(tmp_path / "file")

    @pytest.mark.parametrize("bytes_", [b"\xff\xfe", b"{"])
    def test_a_damaged_cell_is_named(self, done, unread, bytes_) -> None:
        place(done).write_bytes(bytes_)
        with pytest.raises(CorruptRunError, match=r"head-mask/seed-0\.json: .*Delete the file"):
            run(done)

    def test_a_folder_is_no_cell(self, done, unread) -> None:
        place(done).unlink()
        place(done).mkdir()
        with pytest.raises(CorruptRunError, match=r"head-mask/seed-0\.json: cannot be read as text: .*directory"):
            run(done)


def test_a_cell_is_run_with_the_settings_that_it_names(tmp_path, monkeypatch) -> None:
    given: list[dict[str, object]] = []
    ranks: set[int] = set()
    forgetting = Bench.forgetting

    @contextmanager
    def noting(bench: Bench, method: str, settings: Mapping[str, object]) -> Iterator[Forgetting]:
        given.append(dict(settings))
        with forgetting(bench, method, settings) as steps:
            yield steps
            ranks.update(low.rank for edit in steps.stack.edits for low in edit.deltas.values())

    monkeypatch.setattr(Bench, "forgetting", noting)
    monkeypatch.setattr(Suite, "tuned", lambda suite, method: {"rank": 3})
    assert run(tmp_path, "gs-lora") == 1
    assert given == [read(tmp_path, "gs-lora").settings] == [{"rank": 3}]
    assert ranks == {3}


def test_freed_memory_is_given_back_before_a_peak_is_measured(tmp_path, monkeypatch) -> None:
    """Otherwise a method finds what the one before it has freed, and seems to need nothing."""
    calls: list[str] = []
    peak_memory = running.peak_memory
    monkeypatch.setattr(running, "release", lambda device: calls.append(f"release {device}"))
    monkeypatch.setattr(running, "peak_memory", lambda device: calls.append("peak") or peak_memory(device))
    assert run(tmp_path) == 1
    assert calls == ["release cpu", "peak"] * len(read(tmp_path).requests)
