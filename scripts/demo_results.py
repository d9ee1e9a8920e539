"""Runs the demos, keeps the figures in docs/results and writes the README's tables from them.

`python scripts/demo_results.py` does all of it; `--table` writes the table again, `--check` says whether it is right.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from expunge.evidence import Metrics
from expunge.evidence.metrics import Change, WeightsAlone

ROOT = Path(__file__).parents[1]
README, SEEDS = ROOT / "README.md", (0, 1, 2)
START, END = "<!-- demo table: written by `make demo-results`, do not edit -->", "<!-- end of demo table -->"
DETECTION_START = "<!-- detection table: written by `make demo-results`, do not edit -->"
DETECTION_END = "<!-- end of detection table -->"
DETECTION = ROOT / "docs/results/detection-demo-seed-0.json"
SOURCE = "From [docs/results](docs/results), written by `make demo-results`."


def result(seed: int) -> Path:
    """Where the figures of one seed are kept."""
    return ROOT / f"docs/results/demo-seed-{seed}.json"


def read(seed: int) -> Metrics:
    """The kept figures of one seed."""
    return Metrics.parse(result(seed).read_text(encoding="utf-8"))


def table(metrics: Metrics) -> str:
    """One run's figures as a Markdown table, a row a request."""
    rate = "AP50" if metrics.task == "detection" else "Acc"
    alone = f" rows in place: {rate}_f, {rate}_o, H |" if _has_rows(metrics) else ""
    lines = [
        f"| request |{alone} {rate}_f | {rate}_r | {rate}_o | H | head mask: {rate}_r, H | groups | seconds |",
        "|---" * (9 if alone else 8) + "|",
    ]
    for request in metrics.requests:
        names = f"{request.classes[0]} to {request.classes[-1]}"
        earlier = cell(request.acc_o, bold=False) if request.acc_o else "–"
        mask = f"{request.head_mask.acc_r:.1f}, {request.head_mask.h:.1f}"
        groups = f"{request.groups.kept} of {request.groups.total}"
        figures = [cell(request.acc_f, bold=False), cell(request.acc_r), earlier, f"{request.h:.1f}", mask, groups]
        if alone:
            figures.insert(0, _rows_in_place(request.weights_alone))
        lines.append(f"| {names} | {' | '.join(figures)} | {request.seconds:.0f} |")
    return "\n".join(lines)


def seeds_table(runs: Sequence[Metrics]) -> str:
    """What all runs have come to, a row a seed."""
    alone = all(map(_has_rows, runs))
    in_place = " highest Acc_f, rows in place | highest Acc_o, rows in place |" if alone else ""
    lines = [
        f"| seed |{in_place} highest Acc_f | highest Acc_o | greatest loss of Acc_r | mean H | mean H, head mask |",
        "|---" * (8 if alone else 6) + "|",
    ]
    for run in runs:
        requests = run.requests
        lost = max(r.acc_r.before - r.acc_r.after for r in requests)
        figures = (
            *(_highest_in_place(run) if alone else ()),
            max(r.acc_f.after for r in requests),
            max(r.acc_o.after for r in requests if r.acc_o),
            lost,
            fmean(r.h for r in requests),
            fmean(r.head_mask.h for r in requests),
        )
        lines.append(f"| {run.seed} | {' | '.join(f'{figure:.1f}' for figure in figures)} |")
    return "\n".join(lines)


def _has_rows(metrics: Metrics) -> bool:
    """Whether the figures with rows in place were measured after every request."""
    return all(request.weights_alone for request in metrics.requests)


def _rows_in_place(found: WeightsAlone | None) -> str:
    """Acc_f, Acc_o and H of one request with rows in place."""
    if found is None:
        return "–"
    earlier = f"**{found.acc_o.after:.1f}**" if found.acc_o else "–"
    return f"**{found.acc_f.after:.1f}**, {earlier}, {found.h:.1f}"


def _highest_in_place(run: Metrics) -> tuple[float, float]:
    found = [request.weights_alone for request in run.requests if request.weights_alone]
    return max(one.acc_f.after for one in found), max(one.acc_o.after for one in found if one.acc_o)


def cell(change: Change, *, bold: bool = True) -> str:
    """Before, after, interval and n of one rate; not in bold what a stroke of the head gives by itself."""
    low, high = change.ci95
    after = f"**{change.after:.1f}**" if bold else f"{change.after:.1f}"
    return f"{change.before:.1f} → {after} ({low:.1f} to {high:.1f}, n={change.n})"


def with_tables(readme: str, runs: Sequence[Metrics], detection: Metrics) -> str:
    """The README with the tables between the marks."""
    each = "Over the four requests of each seed, with another split and other random choices:"
    said = f"By `{runs[0].method}`; seed 0 above. {each}"
    faces = "\n\n".join((table(runs[0]), said, seeds_table(runs), SOURCE))
    scenes = "\n\n".join((table(detection), f"By `{detection.method}`, seed {detection.seed}. {SOURCE}"))
    return _between(_between(readme, START, faces, END), DETECTION_START, scenes, DETECTION_END)


def _between(text: str, start: str, body: str, end: str) -> str:
    head, rest = text.split(start)
    return f"{head}{start}\n\n{body}\n\n{end}{rest.split(end)[1]}"


def run_demo(kept: Path, *, seed: int, task: str, report: Path | None = None) -> None:
    """Runs `expunge demo`, keeps its metrics, and its report where one is asked for."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "demo"
        command = [sys.executable, "-m", "expunge", "demo", "--task", task, "--seed", str(seed), "--out", str(out)]
        subprocess.run(command, check=True)
        shutil.copyfile(out / "metrics.json", kept)
        if report is not None:
            shutil.copyfile(out / "report.html", report)


def main() -> int:
    """Runs what was asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", action="store_true", help="write the README's tables from the kept figures")
    parser.add_argument(
        "--check", action="store_true", help="exit 1 if the README's tables are not those of the figures"
    )
    arguments = parser.parse_args()
    (ROOT / "build").mkdir(exist_ok=True)
    if not (arguments.table or arguments.check):
        for seed in SEEDS:
            page = ROOT / "build/demo-report.html" if seed == SEEDS[0] else None
            run_demo(result(seed), seed=seed, task="classification", report=page)
        run_demo(DETECTION, seed=0, task="detection", report=ROOT / "build/detection-demo-report.html")
    old = README.read_text(encoding="utf-8")
    detection = Metrics.parse(DETECTION.read_text(encoding="utf-8"))
    new = with_tables(old, [read(seed) for seed in SEEDS], detection)
    if arguments.check:
        return int(old != new)
    README.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
