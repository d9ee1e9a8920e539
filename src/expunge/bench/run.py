"""Runs the cells of a suite that are not on disk yet, one after another; several processes may share a folder."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from expunge.bench.benchmark import Benchmark, CellStand
from expunge.bench.cell import run_cell
from expunge.bench.machine import commit, machine
from expunge.bench.results import Cell
from expunge.bench.suite import find_suite
from expunge.errors import BenchError, CorruptRunError
from expunge.methods import Progress

VERSION = 1
"""Goes up when the meaning of a stored number changes: cells of another version are run again."""

Report = Callable[[str, Progress], None]


@dataclass(frozen=True, slots=True)
class CellName:
    """Which cell."""

    suite: str
    setting: str
    method: str
    seed: int

    def file(self, folder: Path) -> Path:
        """Where it is kept."""
        return folder / "cells" / self.suite / self.setting / self.method / f"seed-{self.seed}.json"


def run_suite(
    name: str,
    out: Path,
    *,
    settings: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    report: Report = lambda cell, progress: None,
    quick: bool = False,
) -> int:
    """Runs what is missing of a suite.

    Args:
        name: The suite.
        out: Cells go to OUT/cells, trained models to OUT/models.
        settings: Names of settings; None for all of the suite, or for the main one if `quick`.
        methods: Names of methods and anchors; None for all.
        seeds: Which seeds.
        report: Told the cell and how far it is.
        quick: Run the tiny version of the suite.

    Returns:
        How many cells were run now.

    Raises:
        BenchError: An unknown suite or setting, or an anchor that the suite has not.
        MethodError: A method that is unknown, or not for what the suite's models do.
    """
    suite = find_suite(name, quick=quick)
    every = suite.settings[:1] if quick else suite.settings
    chosen = [suite.setting(s).name for s in settings] if settings else [s.name for s in every]
    rows = methods or suite.rows()
    for row in rows:
        suite.check_row(row)
    stand_of = suite.open(out / "models")
    ran = 0
    for seed in seeds:
        for setting in chosen:
            stand = stand_of(setting, seed)
            for method in rows:
                ran += _run(CellName(suite.name, setting, method, seed), stand, out, report)
    return ran


def _run(name: CellName, stand: CellStand, out: Path, report: Report) -> bool:
    """Runs one cell, unless it is there already or another process is at it. Says whether it ran."""
    path = name.file(out)
    settings = stand.suite.tuned(name.method)
    key = cell_key(name, stand.suite, settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path) as free:
        if not free or _done(path, key):
            return False
        label = f"{name.suite} {name.setting} {name.method} seed {name.seed}"
        requests = run_cell(stand, name.method, settings, lambda progress: report(label, progress))
        cell = Cell(
            suite=name.suite,
            setting=name.setting,
            method=name.method,
            settings=settings,
            seed=name.seed,
            key=key,
            commit=commit(),
            machine=machine(str(stand.device)),
            requests=requests,
            task=stand.suite.task,
        )
        unfinished = path.with_suffix(".part")
        unfinished.write_text(cell.to_json(), encoding="utf-8")
        unfinished.replace(path)
        return True


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


def _done(path: Path, key: str) -> bool:
    try:
        return Cell.parse(path.read_text(encoding="utf-8")).key == key
    except FileNotFoundError:
        return False
    except CorruptRunError as error:
        raise BenchError(f"{path}: {error}") from error


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Whether this process has the cell to itself; the lock goes with the process, however it ends."""
    lock = path.with_suffix(".lock")
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        try:
            yield True
        finally:
            if os.path.exists(lock):
                lock.unlink()
