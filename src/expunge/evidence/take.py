"""Takes measures of one model."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from expunge.evidence.protocol import MeasureOf, Reading

C = TypeVar("C")


def take(case: C, measures: Iterable[MeasureOf[C]]) -> tuple[tuple[Reading, ...], Mapping[str, str]]:
    """Runs every measure on `case`.

    Returns:
        The readings of all measures in order, and measure name -> reason for those that cannot be taken here.
    """
    readings: list[Reading] = []
    skipped: dict[str, str] = {}
    for measure in measures:
        reason = measure.missing(case)
        if reason is None:
            readings += measure.measure(case)
        else:
            skipped[measure.name] = reason
    return tuple(readings), skipped
