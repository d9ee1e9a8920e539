"""Finds measures by name, ours and those of other packages, through the entry-point group `expunge.measures`."""

from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from expunge.errors import EvidenceError
from expunge.evidence.protocol import Measure, MeasureOf

GROUP = "expunge.measures"


def measure_names() -> tuple[str, ...]:
    """Names of all installed measures, sorted."""
    return names_in(GROUP)


def make_measure(name: str) -> Measure:
    """The measure of that name with its default settings.

    Raises:
        EvidenceError: No such measure is installed, or what is installed under the name is no measure.
    """
    return cast(Measure, make_from(GROUP, name))


def names_in(group: str) -> tuple[str, ...]:
    """Names of all measures that are installed in an entry-point group, sorted."""
    return tuple(sorted(_points(group)))


def make_from(group: str, name: str) -> MeasureOf[Any]:
    """The measure of that name in an entry-point group with its default settings.

    Raises:
        EvidenceError: No such measure is installed, or what is installed under the name is no measure.
    """
    points = _points(group)
    if name not in points:
        raise EvidenceError(f"unknown measure {name!r}; installed: {', '.join(sorted(points))}")
    found = points[name].load()
    wanted = ("name", "summary", "source", "slow", "labels", "missing", "measure")
    absent = [attribute for attribute in wanted if not hasattr(found, attribute)]
    if absent:
        raise EvidenceError(
            f"measure {name!r} ({points[name].value}) lacks {', '.join(absent)}; see expunge.evidence.Measure"
        )
    return cast(MeasureOf[Any], found())


def _points(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}
