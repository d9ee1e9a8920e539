"""Opens the stands of a suite."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from expunge.bench.benchmark import Benchmark
from expunge.bench.models import ModelStore
from expunge.bench.shadows import ShadowedStand
from expunge.bench.stand import Stand
from expunge.data import Splits


def make_stand(
    suite: Benchmark, setting: str, seed: int, models: Path, splits: Splits[Any], shared: Any = None
) -> Stand:
    """A stand whose models are kept in the folder `models`, with shadow models if the suite has any.

    Base models are kept in the folder `bases` beside it; `shared` is what `Benchmark.shared` gave.
    """
    kind = ShadowedStand if suite.shadows else Stand
    store = ModelStore(models, suite, splits.train, models.parent / "bases")
    return kind(suite, suite.setting(setting), seed, splits, store, shared)


def opened(suite: Benchmark, models: Path) -> Callable[[str, int], Stand]:
    """Reads the data, once for all cells: (name of a setting, seed) -> where their cells are run."""
    splits, shared = suite.load(), suite.shared()
    return lambda setting, seed: make_stand(suite, setting, seed, models, splits, shared)
