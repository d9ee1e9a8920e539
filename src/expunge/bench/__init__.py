"""Suites that put methods side by side."""

from expunge.bench.aggregate import Summary, summaries
from expunge.bench.benchmark import Benchmark
from expunge.bench.consistency import mixed
from expunge.bench.load import load_cells
from expunge.bench.run import run_suite
from expunge.bench.suite import Setting, Suite, find_suite, suite_names
from expunge.bench.tables import as_csv, as_markdown

__all__ = [
    "Benchmark",
    "Setting",
    "Suite",
    "Summary",
    "as_csv",
    "as_markdown",
    "find_suite",
    "load_cells",
    "mixed",
    "run_suite",
    "suite_names",
    "summaries",
]
