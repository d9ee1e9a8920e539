"""Opens the benches of a suite."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from expunge.bench._bench import Bench
from expunge.bench._models import ModelStore
from expunge.bench._shadowed_bench import ShadowedBench
from expunge.bench.benchmark import Benchmark
from expunge.data import Splits


def make_bench(
    suite: Benchmark, setting: str, seed: int, models: Path, splits: Splits[Any], shared: Any = None
) -> Bench:
    """A bench whose models are kept in the folder `models`, with shadow models if the suite has any.

    Base models are kept in the folder `bases` beside it; `shared` is what `Benchmark.shared` gave.
    """
    kind = ShadowedBench if suite.shadows else Bench
    store = ModelStore(models, suite, splits.train, models.parent / "bases")
    return kind(suite, suite.setting(setting), seed, splits, store, shared)


def open_benches(suite: Benchmark, models: Path) -> Callable[[str, int], Bench]:
    """Reads the data, once for all cells: (name of a setting, seed) -> where their cells are run."""
    splits, shared = suite.load(), suite.shared()
    return lambda setting, seed: make_bench(suite, setting, seed, models, splits, shared)
