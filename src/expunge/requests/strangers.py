"""Strangers for a comparison of classifiers: read from where the user keeps them, and held beside every model."""

from collections.abc import Sequence

from expunge.data import Images, Splits
from expunge.evidence import Case, View, make_measure, measure_names
from expunge.evidence.strangers.alike import alike
from expunge.evidence.strangers.beside import Beside, beside
from expunge.evidence.strangers.finding import BesideStrangers, summarise
from expunge.evidence.strangers.lineup import ByClass
from expunge.evidence.strangers.sample import Strangers, line_up, refuse_shared
from expunge.requests.comparing import Compared
from expunge.requests.loading import load_data
from expunge.vision import VisionModel


def load_strangers(source: str, *, skip_unreadable: bool = False) -> Strangers:
    """Strangers from a folder with train/<class>/* and test/<class>/*, or `zoo:NAME`.

    Raises:
        DataError: There are no images.
        EvidenceError: No class has both training and test images.
    """
    return strangers_of(load_data(source, seed=0, skip_unreadable=skip_unreadable))


def strangers_of(splits: Splits) -> Strangers:
    """Strangers from a data set of their own; nobody validates on them, so validation images attack, too."""
    first, second = splits.train, splits.validation
    attack = Images((*first.samples, *second.samples), (*first.labels, *second.labels), first.classes)
    return Strangers(attack, splits.test)


def beside_all(
    compared: Compared[VisionModel], case: Case, views: Sequence[View], strangers: Strangers
) -> tuple[Beside | None, ...]:
    """How the forgotten classes stand beside strangers in each model of a comparison, in the order of `models`.

    Raises:
        EvidenceError: An image of a stranger is in the data, too.
    """
    measures = [one for name in measure_names() if isinstance(one := make_measure(name), ByClass) and not one.slow]
    found: list[Beside | None] = []
    kind = None
    for (part, model), seen in zip(compared.models, views, strict=True):
        theirs = strangers.seen_by(model)
        if part == "original":
            refuse_shared(seen, theirs)
        lineup = line_up(
            model,
            seen,
            (case.attack, case.test),
            strangers,
            theirs,
            retain=case.retain,
            forgotten=case.forgotten,
            seed=case.seed,
        )
        kind = kind or (alike(lineup) if lineup else None)
        found.append(beside(lineup, measures, kind) if lineup else None)
    return tuple(found)


def summary(stood: Sequence[Beside | None], source: str, names: Sequence[str]) -> BesideStrangers | None:
    """The part of a scorecard about strangers, from what `beside_all` gave."""
    edited, original, *_ = stood
    if edited is None:
        return None
    labels = {key: label for name in measure_names() for key, label in make_measure(name).labels.items()}
    return summarise(edited, original, source=source, names=names, labels=labels)
