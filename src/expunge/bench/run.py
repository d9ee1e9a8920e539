"""Runs the cells of a suite that are not on disk yet, one after another; several processes may share a folder."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from expunge.bench._bench import Bench
from expunge.bench._benches import open_benches
from expunge.bench._cell import run_cell
from expunge.bench._locks import alone
from expunge.bench._machine import commit, machine
from expunge.bench._results import Cell
from expunge.bench.benchmark import Benchmark
from expunge.bench.load import read_cell
from expunge.bench.suite import find_suite
from expunge.durable import replace_file
from expunge.errors import BenchError, OutputError
from expunge.tasks import Progress

VERSION = 1
"""Goes up when the meaning of a stored number changes: cells of another version are run again."""

Report = Callable[[str, Progress], None]


@dataclass(frozen=True, slots=True)
class CellName:
    """Name of a cell: suite, setting, method and seed."""

    suite: str
    setting: str
    method: str
    seed: int

    def file(self, folder: Path) -> Path:
        """File of the cell."""
        return folder / "cells" / self.suite / self.setting / self.method / f"seed-{self.seed}.json"


@dataclass(frozen=True)
class _Work:
    """State that all cells of one run share.

    Attributes:
        suite: The suite.
        out: The folder.
        commit: The code that runs.
        again: Whether cells that something else decided are replaced.
        report: Told the cell and how far it is.
    """

    suite: Benchmark
    out: Path
    commit: str
    again: bool
    report: Report


def run_suite(
    name: str,
    out: Path,
    *,
    settings: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    report: Report = lambda cell, progress: None,
    quick: bool = False,
    again: bool = False,
) -> int:
    """Runs what is missing of a suite, and cells that come from another base model than there is now.

    Args:
        name: The suite.
        out: Cells go to OUT/cells, base models that are trained to OUT/bases, oracles and shadow models to OUT/models.
        settings: Names of settings; None for all of the suite, or for the main one if `quick`.
        methods: Names of methods and anchors; None for all.
        seeds: Which seeds.
        report: Told the cell and how far it is.
        quick: Run the tiny version of the suite.
        again: Replace cells that are there but were made with other settings, measures or requests.

    Returns:
        How many cells were run now.

    Raises:
        BenchError: An unknown suite or setting, an anchor that the suite has not, or cells would be replaced.
        TaskError: The suite's models do what no installed task is.
        MethodError: A method that is unknown, or not for what the suite's models do.
        CorruptRunError: A cell that is there is damaged.
        OutputError: The folder cannot be written to.
    """
    suite = find_suite(name, quick=quick)
    work = _Work(suite, out, commit(), again, report)
    every = suite.settings[:1] if quick else suite.settings
    chosen = [suite.setting(s).name for s in settings] if settings else [s.name for s in every]
    rows = methods or suite.rows()
    for row in rows:
        suite.check_row(row)
    places = {
        (seed, setting): [CellName(suite.name, setting, row, seed) for row in rows]
        for seed in seeds
        for setting in chosen
    }
    _check(work, [cell for cells in places.values() for cell in cells])
    bench_of = open_benches(suite, out / "models")
    ran = 0
    for (seed, setting), cells in places.items():
        bench = bench_of(setting, seed)
        ran += sum(_run(work, cell, bench) for cell in cells)
    return ran


def _check(work: _Work, names: Sequence[CellName]) -> None:
    """Makes sure, before any data are read, that all cells can be written, and none is lost that nobody gave up."""
    with _writing(work.out):
        for folder in {work.out / "models", *(name.file(work.out).parent for name in names)}:
            folder.mkdir(parents=True, exist_ok=True)
    others = [name for name in names if (kept := _kept(work, name)) and kept.key != _key(work, name)]
    if others and not work.again:
        raise _not_replaced(work, others)


def _run(work: _Work, name: CellName, bench: Bench) -> bool:
    """Runs one cell, unless it is there already or another process is at it. Says whether it ran."""
    path, key = name.file(work.out), _key(work, name)
    with alone(path) as free:
        if not free or _done(work, name, key, bench):
            return False
        settings, base = work.suite.tuned(name.method), bench.digest()
        label = f"{name.suite} {name.setting} {name.method} seed {name.seed}"
        requests = run_cell(bench, name.method, settings, lambda progress: work.report(label, progress))
        cell = Cell(
            suite=name.suite,
            setting=name.setting,
            method=name.method,
            settings=settings,
            seed=name.seed,
            key=key,
            commit=work.commit,
            machine=machine(str(bench.device)),
            requests=requests,
            task=work.suite.task,
            base=base,
            oracles=dict(bench.oracles),
        )
        with _writing(work.out):
            replace_file(path, cell.to_json().encode())
        return True


def _done(work: _Work, name: CellName, key: str, bench: Bench) -> bool:
    """Whether the cell is there, of the base model at hand. Cells of before do not say which was theirs."""
    kept = _kept(work, name)
    if kept is None:
        return False
    if kept.key == key:
        return not kept.base or kept.base == bench.digest()
    if not work.again:  # another process has put it there meanwhile
        raise _not_replaced(work, [name])
    return False


def _kept(work: _Work, name: CellName) -> Cell | None:
    path = name.file(work.out)
    return read_cell(path) if path.exists() else None


def _not_replaced(work: _Work, names: Sequence[CellName]) -> BenchError:
    many = f"{len(names)} cells" if len(names) > 1 else "1 cell"
    return BenchError(
        f"{many} in {work.out} would be replaced, such as {names[0].file(work.out)}: made with other settings, "
        "measures or requests, as those of --quick are. Choose another --out, or replace them with --again."
    )


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or out
        raise OutputError(f"cannot write to {where}: {error.strerror}. Choose another --out.") from error


def _key(work: _Work, name: CellName) -> str:
    return cell_key(name, work.suite, work.suite.tuned(name.method))


def cell_key(name: CellName, suite: Benchmark, settings: Mapping[str, object]) -> str:
    """SHA-256 over what decides a cell: the suite, the setting, the method's settings, seed, measures and format."""
    decides = {
        "version": VERSION,
        "name": asdict(name),
        "setting": asdict(suite.setting(name.setting)),
        "settings": settings,
        **suite.decides(),
    }
    return sha256(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()
