"""Measures two models of one kind for `expunge measure`: loads, runs, and gives the scorecard."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from rich.markup import escape

from expunge.cli.console import errors, progress_bar, show_notices

if TYPE_CHECKING:
    from expunge.evidence.scorecard import Scorecard
    from expunge.vision import VisionModel
    from expunge.vision.detection import DetectionModel


@dataclass(frozen=True)
class Asked:
    """What a comparison is of, whatever the models do; see the options of `expunge measure`."""

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


def compare_classifiers(asked: Asked, sources: Sequence[str], device: str) -> "Scorecard":
    """The scorecard of classifiers: the original, the edited one, then the oracles."""
    from expunge.evidence import make_measure, measure_names
    from expunge.evidence.scorecard_groups import in_order
    from expunge.runs import load, read
    from expunge.runs.comparing import Compared
    from expunge.runs.measuring import ShadowModels, measure_models
    from expunge.runs.strangers import load_strangers

    def loaders(sources: Sequence[str]) -> list[Callable[[], "VisionModel"]]:
        return [partial(load, source, device=device) for source in sources]

    with errors.status("loading models and images"):
        models = [cast("VisionModel", load(source, device=device)) for source in sources]
        task = models[0].task
        names = dict.fromkeys(asked.measures or measure_names(task=task))
        chosen = in_order([make_measure(name, task=task) for name in names])
        images = read(asked.data, like=models[0], seed=asked.seed, skip_unreadable=asked.skip_unreadable)
        source, skip = asked.strangers, asked.skip_unreadable
        strangers = load_strangers(source, skip_unreadable=skip) if source else None
    for path in images.skipped:
        errors.print(f"[yellow]skipped[/] {escape(path)}: not a readable image")
    compared = Compared(
        original=models[0],
        edited=models[1],
        oracles=tuple(models[2:]),
        forgotten=asked.forgotten,
        earlier=asked.earlier,
        missing=asked.missing,
        seed=asked.seed,
    )
    named = asked.shadow_forgotten or asked.shadow_never
    shadows = ShadowModels(loaders(asked.shadow_forgotten), loaders(asked.shadow_never)) if named else None
    with progress_bar() as show:
        return measure_models(
            compared,
            images,
            chosen,
            data_name=asked.data,
            partial=asked.partial,
            shadows=shadows,
            strangers=strangers,
            strangers_name=source or "",
            report=show,
        )


def compare_detectors(asked: Asked, sources: Sequence[str], device: str) -> "Scorecard":
    """The scorecard of detectors: the original, the edited one, then the oracles."""
    from expunge.evidence import make_measure, measure_names
    from expunge.evidence.scorecard_groups import in_order
    from expunge.runs import load, read
    from expunge.runs.comparing import Compared
    from expunge.runs.measuring import measure_models
    from expunge.runs.strangers import strangers_of

    task = "detection"
    names = dict.fromkeys(asked.measures or measure_names(task=task))
    chosen = in_order([make_measure(name, task=task) for name in names])
    with errors.status("loading models and scenes"):
        models = [cast("DetectionModel", load(source, device=device)) for source in sources]
        skip, source = asked.skip_unreadable, asked.strangers
        scenes = read(asked.data, seed=asked.seed, skip_unreadable=skip)
        strangers = strangers_of(read(source, seed=0, skip_unreadable=skip)) if source else None
    show_notices(scenes.notices)
    compared = Compared(
        original=models[0],
        edited=models[1],
        oracles=tuple(models[2:]),
        forgotten=asked.forgotten,
        earlier=asked.earlier,
        missing=asked.missing,
        seed=asked.seed,
    )
    with progress_bar() as show:
        return measure_models(
            compared,
            scenes,
            chosen,
            data_name=asked.data,
            partial=asked.partial,
            strangers=strangers,
            strangers_name=source or "",
            report=show,
        )
