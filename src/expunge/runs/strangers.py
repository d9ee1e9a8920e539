"""Strangers for a comparison of classifiers: read from where the user keeps them, and held beside every model."""

from collections.abc import Iterable, Sequence
from typing import Any

from expunge.data import Splits
from expunge.evidence import Case, make_measure, measure_names
from expunge.evidence.protocol import MeasureOf
from expunge.evidence.strangers.alike import alike
from expunge.evidence.strangers.beside import Beside, beside
from expunge.evidence.strangers.finding import BesideStrangers, summarise, without_strangers
from expunge.evidence.strangers.lineup import ByClass, Lineup
from expunge.evidence.strangers.sample import Strangers, left_out, line_up, refuse_shared
from expunge.runs.comparing import Compared
from expunge.runs.loading import read
from expunge.tasks.views import View
from expunge.vision import VisionModel


def load_strangers(source: str, *, skip_unreadable: bool = False) -> Strangers:
    """Strangers from a folder with train/<class>/* and test/<class>/*, or `zoo:NAME`.

    Raises:
        DataError: There are no images.
        EvidenceError: No class has both training and test images.
    """
    return strangers_of(read(source, seed=0, skip_unreadable=skip_unreadable))


def strangers_of(splits: Splits) -> Strangers:
    """Strangers from a data set of their own; nobody validates on them, so validation images attack, too."""
    first, second = splits.train, splits.validation
    attack = first + second
    return Strangers(attack, splits.test)


def beside_all(
    compared: Compared[VisionModel], case: Case, views: Sequence[View], strangers: Strangers
) -> tuple[Beside | None, ...]:
    """How the forgotten classes stand beside strangers in each model of a comparison, in the order of `models`.

    Where hidden states are kept in place of pictures, oracles, to which they mean nothing, have no place, and rows that
    need pictures are left out.

    Raises:
        EvidenceError: An image of a stranger is in the data, too; or the hidden states are not those of these models.
    """
    if strangers.states:
        strangers.states.refuse_other(compared.original, compared.edited, case.test)
    measures = by_class(map(make_measure, measure_names()))
    lineups: list[Lineup | None] = []
    for (part, model), seen in zip(compared.models, views, strict=True):
        if strangers.states and part not in ("edited", "original"):
            lineups.append(None)
            continue
        theirs = strangers.seen_by(model)
        if part == "original":
            refuse_shared(seen, theirs)
        sets = {"retain": case.retain, "forgotten": case.forgotten}
        images = (case.attack, case.test)
        lineups.append(line_up(model, seen, images, strangers, theirs, **sets, seed=case.seed))
    original = lineups[1]
    kind = alike(original) if original else None
    return tuple(beside(one, measures, kind, original) if one else None for one in lineups)


def stand_in(compared: Compared[VisionModel], case: Case, seen: View) -> str:
    """What can be said of the edited model where classes that stay take the strangers' places; empty if nothing."""
    sets = {"retain": case.retain, "forgotten": case.forgotten}
    lineup = left_out(compared.edited, seen, (case.attack, case.test), **sets, seed=case.seed)
    held = beside(lineup, by_class(map(make_measure, measure_names()))) if lineup else None
    return (
        without_strangers(held, compared.original.classes, _labels(map(make_measure, measure_names()))) if held else ""
    )


def without_pictures(stood: Beside | None) -> dict[str, str]:
    """Row beside strangers -> why it is missing, of those that could not be taken of hidden states."""
    if stood is None:
        return {}
    every = {key for one in by_class(map(make_measure, measure_names())) for key in one.known_side}
    return {f"beside_{key}": "needs pictures of the strangers; hidden states are kept" for key in every - {*stood.keys}}


def by_class(measures: Iterable[MeasureOf[Any]]) -> list[ByClass]:
    """Of some measures the quick ones that have a value for each class."""
    return [one for one in measures if isinstance(one, ByClass) and not one.slow]


def summarise_all(
    stood: Sequence[Beside | None], source: str, names: Sequence[str], measures: Iterable[MeasureOf[Any]]
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


def _labels(measures: Iterable[MeasureOf[Any]]) -> dict[str, str]:
    return {key: label for one in measures for key, label in one.labels.items()}
