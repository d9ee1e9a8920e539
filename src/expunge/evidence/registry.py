"""Finds measures by name, ours and those of other packages, through the entry-point group `expunge.measures`.

A measure says itself for which tasks it is (`tasks`). Where two tasks have a measure of one name each, a point bears
the task before it: `detection.rows-in-place`.
"""

import warnings
from collections.abc import Collection
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from expunge.errors import EvidenceError
from expunge.evidence.protocol import EVERY_TASK, Measure
from expunge.tasks import find_task, task_names

GROUP, OLD_GROUP = "expunge.measures", "expunge.detection_measures"
CLASSIFICATION, DETECTION = "classification", "detection"


def measure_names(*, task: str = CLASSIFICATION) -> tuple[str, ...]:
    """Names of all installed measures of a task's models, sorted."""
    return tuple(sorted(_points(task)))


def make_measure(name: str, *, task: str = CLASSIFICATION) -> Measure:
    """The measure of that name with its default settings.

    Raises:
        EvidenceError: No such measure of that task is installed, or what is installed under the name is no measure.
    """
    return _make(_points(task), name)


def make_measures(*, task: str = CLASSIFICATION, but: Collection[str] = ()) -> tuple[Measure, ...]:
    """All installed measures of a task's models with their default settings, by name, `but` for some.

    Raises:
        EvidenceError: What is installed under a name is no measure.
    """
    points = _points(task)
    return tuple(_make(points, name) for name in sorted(points) if name not in but)


def _make(points: dict[str, EntryPoint], name: str) -> Measure:
    if name not in points:
        raise EvidenceError(f"unknown measure {name!r}; installed: {', '.join(sorted(points))}")
    found = points[name].load()
    wanted = ("name", "summary", "source", "slow", "labels", "missing", "measure")
    absent = [attribute for attribute in wanted if not hasattr(found, attribute)]
    if absent:
        raise EvidenceError(
            f"measure {name!r} ({points[name].value}) lacks {', '.join(absent)}; see expunge.evidence.Measure"
        )
    return cast(Measure, found())


def _points(task: str) -> dict[str, EntryPoint]:
    """Name -> entry point of the measures of a task; one that bears the task's name goes before one that does not."""
    own, shared, tasks = {}, {}, task_names()
    kind = find_task(task)
    kin = {task, *kind.like}
    for point in entry_points(group=GROUP):
        first, _, rest = point.name.partition(".")
        if rest and first in tasks:
            own |= {rest: point} if first == task else {}
        elif point.name not in kind.unfit and (kin & {*(said := _tasks_of(point))} or said == EVERY_TASK):
            shared[point.name] = point
    return {**(_old_points() if task == DETECTION else {}), **shared, **own}


def _tasks_of(point: EntryPoint) -> tuple[str, ...]:
    try:
        return tuple(getattr(point.load(), "tasks", (CLASSIFICATION,)))
    except (ImportError, AttributeError):
        return (CLASSIFICATION,)  # a broken package is named, and refused when its measure is made


def _old_points() -> dict[str, EntryPoint]:
    found = {point.name: point for point in entry_points(group=OLD_GROUP)}
    if found:
        warnings.warn(
            f"The entry-point group {OLD_GROUP!r} ({', '.join(sorted(found))}) will not be read any more from the next "
            f'release on. Name the measure in {GROUP!r}, and let it say tasks = ("{DETECTION}",).',
            DeprecationWarning,
            stacklevel=3,
        )
    return found
