"""Takes measures of one model."""

from collections.abc import Iterable, Mapping

from expunge.errors import EvidenceError
from expunge.evidence.protocol import Case, Measure, Reading


def take(case: Case, measures: Iterable[Measure]) -> tuple[tuple[Reading, ...], Mapping[str, str]]:
    """Runs every measure on `case`; one that fails does not take the others with it.

    Returns:
        The readings of all measures in order, and measure name -> reason for those that cannot be taken here, or that
        found out on the way that they cannot.
    """
    readings: list[Reading] = []
    skipped: dict[str, str] = {}
    for measure in measures:
        reason = measure.missing(case)
        if reason is None:
            try:
                readings += measure.measure(case)
            except EvidenceError as error:
                reason = str(error)
        if reason is not None:
            skipped[measure.name] = reason
    return tuple(readings), skipped
