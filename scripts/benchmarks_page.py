"""Writes docs/benchmarks.md and its figures from benchmarks/results: `python scripts/benchmarks_page.py [--check]`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from expunge.bench._page import ASSETS, make_page

ROOT = Path(__file__).parents[1]


def main(given: Sequence[str] | None = None) -> int:
    """Writes the page, or with `--check` says whether it is up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results", help="the benchmark's folder")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where the page goes")
    arguments = parser.parse_args(given)
    docs: Path = arguments.docs
    page = make_page(arguments.results, docs / "_benchmarks")
    figures = {docs / name: draw() for name, draw in page.figures.items()}
    wanted = {docs / "benchmarks.md": page.text, **figures}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    left_over = sorted(set((docs / ASSETS).glob("*.svg")) - set(wanted))
    if arguments.check and (stale or left_over):
        names = ", ".join(path.name for path in (*stale, *left_over))
        sys.stderr.write(f"out of date: {names}; run: make benchmarks-page\n")
        return 1
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path], encoding="utf-8")
    for path in left_over:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
