"""Any two models measured side by side in a few lines of Python: `measure`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from expunge.data import Splits
from expunge.evidence import Scorecard, in_order, make_measure, make_measures
from expunge.runs.comparing import ModelComparison
from expunge.runs.loading import load, read
from expunge.runs.measuring import ShadowModels, measure_models
from expunge.runs.run import Stage
from expunge.runs.strangers import strangers_of
from expunge.tasks import task_of
from expunge.vision import Wrapped

Source = str | Path


def measure(
    original: Wrapped | Source,
    edited: Wrapped | Source,
    data: Splits[Any] | Source,
    *,
    forgotten: Sequence[str],
    earlier: Sequence[str] = (),
    missing: Sequence[str] = (),
    oracle: Wrapped | Source | Sequence[Wrapped | Source] = (),
    strangers: Splits[Any] | Source | None = None,
    shadows: ShadowModels | None = None,
    measures: Sequence[str] | None = None,
    partial: bool = False,
    seed: int = 0,
    task: str | None = None,
    report: Callable[[Stage], None] = lambda stage: None,
) -> Scorecard:
    """Measures what a model still knows of classes that another one knew, whatever edited it.

    Args:
        original: The model before any request, or what `load` takes.
        edited: The model after, with the same classes.
        data: Splits, or what `read` takes; training and validation data are the attacker's.
        forgotten: Names of the classes that are to be forgotten.
        earlier: Names of classes forgotten before.
        missing: Names of retained classes of which the method had nothing.
        oracle: A model that never saw the forgotten classes, or several.
        strangers: Classes that no model ever saw, as data like `data`; the oracle that everybody has.
        shadows: Shadow models, for U-LiRA.
        measures: Names of measures; None for all that are installed for the models' task.
        partial: Whether the data may lack some of the models' classes.
        seed: Seeds the measures.
        task: What the models do, where they are named by their place and several tasks could take them.
        report: Told about the progress.

    Returns:
        The scorecard; `card["linear_probe"]` is one row, `expunge.judge(card)` what a policy says of it.

    Raises:
        ModelError: A model cannot be loaded.
        DataError: The data cannot be read, or do not fit.
        EvidenceError: There is no such measure, an oracle is one of the models, or strangers are classes of theirs.
        RequestError: The named classes cannot be what they are said to be.
    """
    oracles = (oracle,) if isinstance(oracle, str | Path | Wrapped) else tuple(oracle)
    before, after, *others = (_model(one, task) for one in (original, edited, *oracles))
    does = task_of(before).name

    def read_in(source: Splits[Any] | Source) -> Splits[Any]:
        return source if isinstance(source, Splits) else read(source, like=before, seed=seed)

    chosen = make_measures(task=does)
    if measures is not None:
        chosen = [make_measure(name, task=does) for name in dict.fromkeys(measures)]
    return measure_models(
        ModelComparison(before, after, tuple(forgotten), tuple(earlier), tuple(missing), tuple(others), seed),
        read_in(data),
        in_order(chosen),
        data_name=_name(data, "data"),
        partial=partial,
        shadows=shadows,
        strangers=None if strangers is None else strangers_of(read_in(strangers)),
        strangers_name=_name(strangers, "strangers"),
        report=report,
    )


def _model(source: Wrapped | Source, task: str | None) -> Any:
    return source if isinstance(source, Wrapped) else load(source, task=task)


def _name(source: object, other: str) -> str:
    return str(source) if isinstance(source, str | Path) else other
