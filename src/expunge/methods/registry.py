"""Finds methods by name, ours and those of other packages, through the entry-point group `expunge.methods`.

An entry point is named like its method, and the class says for which tasks it is. A class for one task alone, where
the others have theirs, is named like both: "detection.closed-form".
"""

import warnings
from collections.abc import Mapping
from dataclasses import fields
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from expunge.errors import MethodError
from expunge.methods._checks import refuse_non_finite
from expunge.methods._settings import refusal
from expunge.methods.protocol import IMAGES, Method, is_for
from expunge.tasks import Task, find_task, task_names

GROUP, OLD_GROUP = "expunge.methods", "expunge.detection_methods"

AUTO = "auto"
"""The name that leaves the choice to the task."""

REQUIRED = ("name", "summary", "source", "presets", "needs_prototypes", "forget", "first_block")
"""Attributes that a class must have to be a method; see `expunge.methods.Method`."""


def method_names(task: str | None = None) -> tuple[str, ...]:
    """Names of all installed methods, or of those for a task, sorted.

    Raises:
        TaskError: There is no such task.
        MethodError: What is installed under a name cannot be loaded, or is no method.
    """
    points = _points()
    names = sorted({name for _, name in points})
    return tuple(name for name in names if task is None or task in _tasks(name, points))


def method_tasks(name: str) -> tuple[str, ...]:
    """Names of the installed tasks that a method is for, sorted; none if there is no such method.

    Raises:
        MethodError: What is installed under the name cannot be loaded, or is no method.
    """
    return _tasks(name, _points())


def method_class(name: str, *, task: str = IMAGES) -> type[Any]:
    """The class behind a name, a `Method`, for a task.

    Raises:
        TaskError: There is no such task.
        MethodError: No such method is installed, or it is for other tasks, or what is installed is no method.
    """
    kind, points = find_task(task), _points()
    if (task, name) in points:
        return _load(points[task, name])
    if task in (tasks := _tasks(name, points)):
        return _load(points[None, name])
    there = ", ".join(method_names(task))
    if not tasks:
        raise MethodError(f"unknown method {name!r}; installed: {there}")
    if name in kind.unfit:
        raise MethodError(f"method {name!r} is not for {kind.noun}s: {kind.unfit[name]}; there are: {there}")
    nouns = " and ".join(f"{find_task(one).noun}s" for one in tasks)
    raise MethodError(f"method {name!r} is for {nouns}; for {kind.noun}s there are: {there}")


def method_presets(name: str, *, task: str = IMAGES) -> Mapping[str, Mapping[str, object]]:
    """The named sets of a method's settings: its own, and the task's in place of those.

    Raises:
        TaskError: There is no such task.
        MethodError: See `method_class`.
    """
    return _presets(name, method_class(name, task=task), find_task(task))


def make_method(
    name: str, *, task: str = IMAGES, preset: str | None = None, settings: Mapping[str, object] | None = None
) -> Method:
    """Builds a method from its defaults, then the task's, then a preset, then single settings.

    Args:
        name: One of `method_names`, or "auto".
        task: Name of the task of the model that is to forget.
        preset: A named set of its settings.
        settings: Single settings on top; numbers may come as text.

    Raises:
        TaskError: There is no such task.
        MethodError: Unknown method, preset or setting, or a value that does not fit.
    """
    kind = find_task(task)
    name = kind.auto if name == AUTO else name
    found = method_class(name, task=task)
    presets = _presets(name, found, kind)
    if preset is not None and preset not in presets:
        raise MethodError(f"method {name!r} has no preset {preset!r}; it has: {', '.join(presets) or 'none'}")
    known = [field.name for field in fields(found)]
    defaults = {key: value for key, value in kind.defaults.get(name, {}).items() if key in known}
    values = {**defaults, **(presets[preset] if preset else {}), **(settings or {})}
    unknown = sorted(set(values) - set(known))
    if unknown == ["depth"] and "last_blocks" in known:
        raise MethodError(f"method {name!r} has no depth; say how many blocks it may edit with --set last_blocks=N")
    if unknown:
        raise MethodError(f"method {name!r} has no setting {unknown[0]!r}; it has: {', '.join(known) or 'none'}")
    try:
        made = TypeAdapter(found).validate_python(values)
        refuse_non_finite(made)
    except ValidationError as error:
        raise MethodError(_in_one_sentence(name, error)) from error
    except MethodError as error:
        raise MethodError(f"method {name!r}: {error}") from error
    return cast(Method, made)


Points = Mapping[tuple[str | None, str], EntryPoint]
"""(task, name of a method) -> its entry point; no task where the class says for which it is."""


def _points() -> Points:
    found: dict[tuple[str | None, str], EntryPoint] = {}
    for point in entry_points(group=OLD_GROUP):
        warnings.warn(
            f"method {point.name!r} ({point.value}) is named under {OLD_GROUP!r}, which will not be read much longer; "
            f"name it 'detection.{point.name}' under {GROUP!r}",
            DeprecationWarning,
            stacklevel=3,
        )
        found["detection", point.name] = point
    tasks = task_names()
    for point in entry_points(group=GROUP):
        task, dot, name = point.name.partition(".")
        found[(task, name) if dot and task in tasks else (None, point.name)] = point
    return found


def _tasks(name: str, points: Points) -> tuple[str, ...]:
    """The installed tasks that a method is for, sorted; its class is loaded if the entry points do not say so."""
    general = _load(points[None, name]) if (None, name) in points else None
    return tuple(
        task for task in task_names() if (task, name) in points or (general is not None and is_for(general, task))
    )


def _load(point: EntryPoint) -> type[Any]:
    try:
        found = point.load()
    except (ImportError, AttributeError) as error:
        raise MethodError(
            f"method {point.name!r} ({point.value}) cannot be loaded: {error}; "
            "repair or uninstall the package that brings it"
        ) from error
    missing = [attribute for attribute in REQUIRED if not hasattr(found, attribute)]
    if missing:
        raise MethodError(
            f"method {point.name!r} ({point.value}) lacks {', '.join(missing)}; see expunge.methods.Method"
        )
    return found


def _presets(name: str, found: type[Any], kind: Task[Any, Any]) -> Mapping[str, Mapping[str, object]]:
    return {**found.presets, **kind.presets.get(name, {})}


def _in_one_sentence(name: str, error: ValidationError) -> str:
    """Fault of a method's settings: the constructor's own words, or which setting has the wrong type."""
    first = error.errors()[0]
    own = first.get("ctx", {}).get("error")
    where = ".".join(str(part) for part in first["loc"])
    return f"method {name!r}: {own if isinstance(own, Exception) else refusal(where, error)}"
