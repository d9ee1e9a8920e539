"""Measures models of one task for `expunge measure`: loads, runs, and gives the scorecard."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from expunge.cli._console import errors, progress_bar, show_notices
from expunge.cli._onnx_options import told_of

if TYPE_CHECKING:
    from expunge.evidence import Scorecard


@dataclass(frozen=True)
class CompareOptions:
    """Options of a comparison, whatever the models do; see `expunge measure`."""

    data: str
    forgotten: tuple[str, ...]
    earlier: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    measures: tuple[str, ...] | None = None
    seed: int = 0
    partial: bool = False
    skip_unreadable: bool = False
    strangers: str | None = None
    shadow_forgotten: tuple[str, ...] = ()
    shadow_never: tuple[str, ...] = ()
    classes: Path | None = None
    preprocess: Path | None = None
    task: str | None = None


def compare(asked: CompareOptions, sources: Sequence[str], device: str) -> "Scorecard":
    """The scorecard of the original, the edited model, then the oracles."""
    from expunge.evidence import in_order, make_measure, make_measures
    from expunge.runs import ModelComparison, ShadowModels, load, measure_models, read, strangers_of

    def loaders(sources: Sequence[str]) -> list[Callable[[], Any]]:
        told = [told_of(source, asked.classes, asked.preprocess) for source in sources]
        return [
            partial(load, source, task=asked.task, device=device, **one)
            for source, one in zip(sources, told, strict=True)
        ]

    with errors.status("loading models and data"):
        original, edited, *oracles = (build() for build in loaders(sources))
        skip, source = asked.skip_unreadable, asked.strangers
        data = read(asked.data, like=original, seed=asked.seed, skip_unreadable=skip)
        strangers = strangers_of(read(source, like=original, seed=0, skip_unreadable=skip)) if source else None
    for path in data.skipped:
        errors.print(f"[yellow]skipped[/] {escape(path)}: not a readable image")
    show_notices(data.notices)
    task, names = original.task, dict.fromkeys(asked.measures or ())
    chosen = [make_measure(name, task=task) for name in names] if names else make_measures(task=task)
    named = asked.shadow_forgotten or asked.shadow_never
    with progress_bar() as show:
        return measure_models(
            ModelComparison(
                original, edited, asked.forgotten, asked.earlier, asked.missing, tuple(oracles), asked.seed
            ),
            data,
            in_order(chosen),
            data_name=asked.data,
            partial=asked.partial,
            shadows=ShadowModels(loaders(asked.shadow_forgotten), loaders(asked.shadow_never)) if named else None,
            strangers=strangers,
            strangers_name=source or "",
            report=show,
        )
