"""The search that every rival is given: five settings, judged on validation data, with the same effort for all."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expunge.bench._locks import in_turn
from expunge.durable import replace_file
from expunge.errors import BenchError

Grid = Mapping[str, tuple[object, ...]]
"""Setting -> values to try, in order, the middle one to start from; at most two settings."""

Trial = Mapping[str, Any]
"""Record of a trial; `settings` and `h`, the score, are in it."""


def star(grid: Grid) -> list[dict[str, object]]:
    """All values of each setting with the other one at its middle, the middle of both first."""
    middle = {name: values[len(values) // 2] for name, values in grid.items()}
    arms = [{**middle, name: value} for name, values in grid.items() for value in values]
    return [middle, *(arm for arm in arms if arm != middle)]


@dataclass(frozen=True)
class TuningResult:
    """Result of a search.

    Attributes:
        settings: The best.
        trials: All of them, in order.
    """

    settings: Mapping[str, object]
    trials: Sequence[Trial]


def search(grid: Grid, trial: Callable[[Mapping[str, object]], Trial]) -> TuningResult:
    """Tries all of the star of a grid; of equal scores the first wins."""
    trials = [{"settings": settings, **trial(settings)} for settings in star(grid)]
    return TuningResult(max(trials, key=lambda one: one["h"])["settings"], trials)


def keep(file: Path, method: str, found: TuningResult) -> None:
    """Puts what was found for one method into a file of `expunge.bench.tuned`; several processes may do so at once."""
    with in_turn(file):
        kept = json.loads(file.read_text(encoding="utf-8"))
        for part in ("settings", "trials"):
            kept[part] = dict(sorted({**kept.get(part, {}), method: getattr(found, part)}.items()))
        replace_file(file, (json.dumps(kept, indent=1) + "\n").encode())


def rounded(score: Mapping[str, float]) -> dict[str, float]:
    """Figures as a file keeps them."""
    return {name: round(value, 2) for name, value in score.items()}


def chosen(asked: Sequence[str], grids: Mapping[str, Grid]) -> dict[str, Grid]:
    """The methods that a command line names, or all, each with its grid.

    Raises:
        BenchError: A method has no grid.
    """
    for method in asked:
        if method not in grids:
            raise BenchError(f"no settings of {method!r} to try; there are some of: {', '.join(grids)}")
    return {method: grids[method] for method in asked or grids}
