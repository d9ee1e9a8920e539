"""Finds tasks by name, ours and those of other packages, through the entry-point group `expunge.tasks`."""

from functools import cache
from importlib.metadata import entry_points
from typing import Any

from expunge.errors import TaskError
from expunge.tasks.protocol import Task
from expunge.vision import Wrapped

GROUP = "expunge.tasks"


def task_names() -> tuple[str, ...]:
    """Names of all installed tasks, sorted."""
    return tuple(sorted(point.name for point in entry_points(group=GROUP)))


@cache
def find_task(name: str) -> Task[Any, Any]:
    """The task of that name.

    Raises:
        TaskError: No such task is installed, or what is installed under the name is none.
    """
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        raise TaskError(f"unknown task {name!r}; installed: {', '.join(sorted(points)) or 'none'}")
    found = points[name].load()
    if not (isinstance(found, type) and issubclass(found, Task)):
        raise TaskError(f"task {name!r} ({points[name].value}) is no subclass of expunge.tasks.Task")
    return found()


def task_of(model: Wrapped) -> Task[Any, Any]:
    """The task of a model, as its class says."""
    return find_task(model.task)
