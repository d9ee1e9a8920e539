"""Finds methods by name, ours and those of other packages, through the entry-point group `expunge.methods`."""

from collections.abc import Mapping
from dataclasses import fields
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from expunge.errors import MethodError
from expunge.methods.protocol import Method

GROUP = "expunge.methods"
AUTO, FLAGSHIP = "auto", "closed-form"
"""The name that leaves the choice to us, and what we choose."""


def _points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def method_names() -> tuple[str, ...]:
    """Names of all installed methods, sorted."""
    return tuple(sorted(_points()))


def method_class(name: str) -> type[Any]:
    """The class behind a name, a `Method`.

    Raises:
        MethodError: No such method is installed, or what is installed under the name is no method.
    """
    points = _points()
    if name not in points:
        raise MethodError(f"unknown method {name!r}; installed: {', '.join(sorted(points))}")
    found = points[name].load()
    missing = [a for a in ("name", "summary", "source", "presets", "forget", "first_block") if not hasattr(found, a)]
    if missing:
        raise MethodError(
            f"method {name!r} ({points[name].value}) lacks {', '.join(missing)}; see expunge.methods.Method"
        )
    return found


def make_method(name: str, *, preset: str | None = None, settings: Mapping[str, object] | None = None) -> Method:
    """Builds a method from its defaults, then a preset, then single settings (numbers may come as text).

    Args:
        name: One of `method_names`, or "auto".
        preset: A named set of its settings.
        settings: Single settings on top.

    Raises:
        MethodError: Unknown method, preset or setting, or a value that does not fit.
    """
    name = FLAGSHIP if name == AUTO else name
    found = method_class(name)
    if preset is not None and preset not in found.presets:
        there = ", ".join(found.presets) or "none"
        raise MethodError(f"method {name!r} has no preset {preset!r}; it has: {there}")
    values = {**(found.presets[preset] if preset else {}), **(settings or {})}
    known = [field.name for field in fields(found)]
    unknown = sorted(set(values) - set(known))
    if unknown == ["depth"] and "last_blocks" in known:
        raise MethodError(f"method {name!r} has no depth; say how many blocks it may edit with --set last_blocks=N")
    if unknown:
        raise MethodError(f"method {name!r} has no setting {unknown[0]!r}; it has: {', '.join(known) or 'none'}")
    try:
        return cast(Method, TypeAdapter(found).validate_python(values))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise MethodError(f"method {name!r}, setting {where!r}: {first['msg']}, got {first['input']!r}") from error
