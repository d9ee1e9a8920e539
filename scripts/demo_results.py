"""Runs the demo, keeps its figures in docs/results/demo.json and writes the README's table from them.

`python scripts/demo_results.py` does all of it; `--table` writes the table again, `--check` says whether it is right.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from expunge.evidence import Metrics
from expunge.evidence.metrics import Change

ROOT = Path(__file__).parents[1]
RESULT, README = ROOT / "docs/results/demo.json", ROOT / "README.md"
START, END = "<!-- demo table: written by `make demo-results`, do not edit -->", "<!-- end of demo table -->"


def table(metrics: Metrics) -> str:
    """The demo's figures as a Markdown table."""
    lines = [
        "| request | Acc_f | Acc_r | Acc_o | H | head mask: Acc_r, H | groups | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for request in metrics.requests:
        names = f"{request.classes[0]} to {request.classes[-1]}"
        earlier = cell(request.acc_o) if request.acc_o else "–"
        mask = f"{request.head_mask.acc_r:.1f}, {request.head_mask.h:.1f}"
        groups = f"{request.groups.kept} of {request.groups.total}"
        figures = (cell(request.acc_f), cell(request.acc_r), earlier, f"{request.h:.1f}", mask, groups)
        lines.append(f"| {names} | {' | '.join(figures)} | {request.seconds:.0f} |")
    lines += ["", f"Seed {metrics.seed}; from [docs/results/demo.json](docs/results/demo.json), `make demo-results`."]
    return "\n".join(lines)


def cell(change: Change) -> str:
    """Before, after, interval and n of one rate."""
    low, high = change.ci95
    return f"{change.before:.1f} → **{change.after:.1f}** ({low:.1f} to {high:.1f}, n={change.n})"


def with_table(readme: str, metrics: Metrics) -> str:
    """The README with the table between its two marks."""
    head, rest = readme.split(START)
    return f"{head}{START}\n{table(metrics)}\n{END}{rest.split(END)[1]}"


def run_demo() -> None:
    """Runs `expunge demo` and keeps its metrics."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "demo"
        subprocess.run([sys.executable, "-m", "expunge", "demo", "--out", str(out)], check=True)
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(out / "metrics.json", RESULT)
        shutil.copyfile(out / "report.html", ROOT / "build/demo-report.html")


def main() -> int:
    """Runs what was asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", action="store_true", help="write the README's table from the kept figures")
    parser.add_argument("--check", action="store_true", help="exit 1 if the README's table is not that of the figures")
    arguments = parser.parse_args()
    (ROOT / "build").mkdir(exist_ok=True)
    if not (arguments.table or arguments.check):
        run_demo()
    old = README.read_text(encoding="utf-8")
    new = with_table(old, Metrics.parse(RESULT.read_text(encoding="utf-8")))
    if arguments.check:
        return int(old != new)
    README.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
