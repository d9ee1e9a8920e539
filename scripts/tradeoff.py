"""Aims that cannot be had together: what stays against how near to the oracle the forgotten stand, by strength.

`python scripts/tradeoff.py [SUITE …]` runs `closed-form++` at several strengths of its solves and of its polish, seed
0, on halves of the validation split as `innocence_trials.py` does, and writes each point to docs/results/tradeoff.json
as soon as it is there; points that are there are not run again. `--table` tells the file as tables.
"""

import argparse
import copy
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from closed_form_trials import PROBES, tell
from innocence_trials import MEASURES, RESULTS, Judge, bench_of

from expunge.bench._bench import Bench
from expunge.bench._results import ORIGINAL, SCRATCH
from expunge.durable import replace_file
from expunge.evidence import make_measure
from expunge.evidence.protocol import take
from expunge.tasks.views import View

FILE = Path(__file__).parents[1] / "docs/results/tradeoff.json"
METHOD = "closed-form++"

STRENGTHS: Mapping[tuple[str, str], Sequence[Mapping[str, object]]] = {
    ("glyphs", "replay-10"): (
        {},
        {"rounds": 0},
        {"rounds": 2, "enough": 0.0},
        {"rounds": 6, "enough": 0.0},
        {"rounds": 18, "enough": 0.0},
        {"weight": 1.0},
        {"weight": 10.0},
        {"weight": 0.3, "depth": "thorough"},
    ),
    ("faces", "4-shot"): ({}, {"rounds": 2, "enough": 0.0}, {"weight": 10.0}, {"weight": 1.0}),
}
"""The default first; `enough` 0 goes through all rounds. A small `weight` favours what goes, a great one what stays."""


def read(bench: Bench, judge: Judge, view: View) -> dict[str, float]:
    """Acc_r, rows in place and probes after the last request."""
    last, plan = len(bench.requests), bench.plan
    rows = judge.head(view.test.embedding)
    retained = plan.retained(last - 1, len(bench.classes))
    readings, _ = take(bench.case(last, view), [make_measure(name) for name in MEASURES])
    found = {reading.key: reading.value for reading in readings}
    return {
        "acc_r": judge.accuracy(view.test.logits, view, retained),
        "rows_f": judge.accuracy(rows, view, plan.requests[last - 1]),
        "rows_o": judge.accuracy(rows, view, plan.before(last - 1)),
        **{key: found[key] for key in PROBES if key in found},
    }


def points(suite: str, setting: str, known: set[str]) -> Iterator[tuple[str, dict[str, float]]]:
    """Name and figures of every point that is not known."""
    wanted = {json.dumps(strength): strength for strength in STRENGTHS[suite, setting]}
    if known >= {ORIGINAL, SCRATCH, *wanted}:
        return
    bench = bench_of(suite, setting, 0, RESULTS / "models")
    judge = Judge(bench, copy.deepcopy(bench.model.module.get_submodule(bench.model.head_name)).cpu())
    last = len(bench.requests)
    for name in (ORIGINAL, SCRATCH):
        if name not in known:
            view = bench.original if name == ORIGINAL else bench.view(bench.oracle(SCRATCH, last).model)
            yield name, read(bench, judge, view)
    for name, strength in wanted.items():
        if name not in known:
            with bench.forgetting(METHOD, strength) as steps:
                for number in range(last):
                    steps.carry_out(number)
                yield name, read(bench, judge, bench.edited_view(steps.entry, attack=True))


def gap(figures: Mapping[str, float], oracle: Mapping[str, float]) -> float:
    """The mean distance from the oracle over the probes, in points."""
    return math.fsum(abs(figures[key] - oracle[key]) for key in PROBES) / len(PROBES)


def table(suite: str, found: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """One line a point, in Markdown."""
    yield f"| {suite} | Acc_r | rows in place, last / earlier | CMIA; rank-1; probe; re-learning 1 / 5 / 10 | gap |"
    yield "|---|---|---|---|---|"
    for name, figures in found.items():
        cmia, rank, probe, *relearning = (f"{figures[key]:.0f}" for key in PROBES)
        yield (
            f"| {name} | {figures['acc_r']:.1f} | {figures['rows_f']:.1f} / {figures['rows_o']:.1f} "
            f"| {cmia}; {rank}; {probe}; {' / '.join(relearning)} | {gap(figures, found[SCRATCH]):.1f} |"
        )


def main() -> None:
    """Runs what is missing, or tells what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*")
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    kept = json.loads(FILE.read_text()) if FILE.exists() else {}
    for suite, setting in STRENGTHS:
        found = kept.setdefault(f"{suite}, {setting}", {})
        if not given.table and (not given.suites or suite in given.suites):
            for name, figures in points(suite, setting, set(found)):
                found[name] = {key: round(value, 2) for key, value in figures.items()}
                replace_file(FILE, (json.dumps(kept, indent=1) + "\n").encode())
                tell(f"{suite}, {setting}: {name} {found[name]}")
        if given.table and found:
            tell("\n".join(table(f"{suite}, {setting}", found)) + "\n")


if __name__ == "__main__":
    main()
