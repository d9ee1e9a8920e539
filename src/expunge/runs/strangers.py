"""Strangers for a comparison of models: read from where the user keeps them, and held beside every model."""

from collections.abc import Iterable, Sequence
from typing import Any

from expunge.data import E, Splits
from expunge.evidence import Case, Measure, make_measures
from expunge.evidence.strangers import (
    Beside,
    BesideStrangers,
    ByClass,
    Lineup,
    Strangers,
    alike,
    beside,
    left_out,
    line_up,
    refuse_shared,
    summarise,
    without_strangers,
)
from expunge.runs.comparing import ModelComparison
from expunge.tasks import Viewed


def strangers_of(splits: Splits[E]) -> Strangers[E]:
    """Strangers from a data set of their own; nobody validates on them, so validation images attack, too.

    Raises:
        DataError: There are no images.
        EvidenceError: No class has both training and test images.
    """
    return Strangers(splits.train + splits.validation, splits.test)


def beside_all(
    compared: ModelComparison[Any],
    case: Case,
    caches: Sequence[Any],
    views: Sequence[Viewed],
    strangers: Strangers[Any],
) -> tuple[Beside | None, ...]:
    """Place of the forgotten classes beside strangers in each model of a comparison, in the order of `models`.

    Where hidden states are kept in place of pictures, oracles, to which they mean nothing, have no place, and rows that
    need pictures are left out.

    Raises:
        EvidenceError: An image of a stranger is in the data, too; or the hidden states are not those of these models.
    """
    if strangers.states:
        strangers.states.refuse_other(compared.original, compared.edited, case.test, sha256=compared.sha256s[1])
    measures = by_class(make_measures(task=case.task.name))
    lineups: list[Lineup | None] = []
    for (part, model), cache, seen in zip(compared.models, caches, views, strict=True):
        if strangers.states and part not in ("edited", "original"):
            lineups.append(None)
            continue
        theirs = strangers.seen_by(cache)
        if part == "original" and case.task.alone:
            refuse_shared(seen.features, theirs)
        sets = {"retain": case.retain, "forgotten": case.forgotten}
        examples = (case.attack, case.test)
        lineups.append(line_up(model, seen.features, examples, strangers, theirs, **sets, seed=case.seed))
    original = lineups[1]
    kind = alike(original) if original else None
    return tuple(beside(one, measures, kind, original) if one else None for one in lineups)


def stand_in(compared: ModelComparison[Any], case: Case, seen: Viewed) -> str:
    """Words on the edited model where classes that stay take the strangers' places; empty if nothing can be said."""
    sets = {"retain": case.retain, "forgotten": case.forgotten}
    lineup = left_out(compared.edited, seen.features, (case.attack, case.test), **sets, seed=case.seed)
    measures = make_measures(task=case.task.name)
    held = beside(lineup, by_class(measures)) if lineup else None
    return without_strangers(held, compared.original.classes, _labels(measures)) if held else ""


def without_pictures(stood: Beside | None) -> dict[str, str]:
    """Row beside strangers -> why it is missing, of those that could not be taken of hidden states."""
    if stood is None:
        return {}
    every = {key for one in by_class(make_measures()) for key in one.known_side}
    return {f"beside_{key}": "needs pictures of the strangers; hidden states are kept" for key in every - {*stood.keys}}


def by_class(measures: Iterable[Measure]) -> list[ByClass]:
    """Of some measures the quick ones that have a value for each class."""
    return [one for one in measures if isinstance(one, ByClass) and not one.slow]


def summarise_all(
    stood: Sequence[Beside | None], source: str, names: Sequence[str], measures: Iterable[Measure]
) -> BesideStrangers | None:
    """The part of a scorecard about strangers.

    Args:
        stood: How the forgotten classes stand beside strangers in the edited model, the original, and others.
        source: What the strangers were read from.
        names: Names of the model's classes.
        measures: For the labels of their rows.
    """
    edited, original, *_ = stood
    if edited is None:
        return None
    return summarise(edited, original, source=source, names=names, labels=_labels(measures))


def _labels(measures: Iterable[Measure]) -> dict[str, str]:
    return {key: label for one in measures for key, label in one.labels.items()}
