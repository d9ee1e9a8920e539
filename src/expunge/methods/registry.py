"""Finds methods by name, ours and those of other packages, through entry points."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from expunge.errors import MethodError
from expunge.methods.checks import refuse_non_finite
from expunge.methods.protocol import Method
from expunge.methods.settings import refusal

AUTO, FLAGSHIP = "auto", "closed-form++"
"""The name that leaves the choice to us, and what we choose."""

REQUIRED = ("name", "summary", "source", "presets", "needs_prototypes", "forget", "first_block")
"""What a class must have to be a method; see `expunge.methods.Method`."""

T = TypeVar("T")


@dataclass(frozen=True)
class Registry(Generic[T]):
    """The installed methods of one kind.

    Attributes:
        group: Their entry-point group.
        what: What messages call one of them.
    """

    group: str
    what: str = "method"

    def names(self) -> tuple[str, ...]:
        """Names of all installed methods, sorted."""
        return tuple(sorted(self._points()))

    def find(self, name: str) -> type[Any]:
        """The class behind a name.

        Raises:
            MethodError: No such method is installed, or what is installed under the name is no method.
        """
        points = self._points()
        if name not in points:
            raise MethodError(f"unknown {self.what} {name!r}; installed: {', '.join(sorted(points))}")
        found = points[name].load()
        missing = [attribute for attribute in REQUIRED if not hasattr(found, attribute)]
        if missing:
            raise MethodError(
                f"{self.what} {name!r} ({points[name].value}) lacks {', '.join(missing)}; see expunge.methods.Method"
            )
        return found

    def make(self, name: str, *, preset: str | None = None, settings: Mapping[str, object] | None = None) -> T:
        """Builds a method from its defaults, then a preset, then single settings (numbers may come as text).

        Raises:
            MethodError: Unknown method, preset or setting, or a value that does not fit.
        """
        name = FLAGSHIP if name == AUTO else name
        found = self.find(name)
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
            made = TypeAdapter(found).validate_python(values)
            refuse_non_finite(made)
        except ValidationError as error:
            raise MethodError(_in_one_sentence(name, error)) from error
        except MethodError as error:
            raise MethodError(f"method {name!r}: {error}") from error
        return cast(T, made)

    def _points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}


def _in_one_sentence(name: str, error: ValidationError) -> str:
    """What is wrong with a method's settings: the constructor's own words, or which setting has the wrong type."""
    first = error.errors()[0]
    own = first.get("ctx", {}).get("error")
    where = ".".join(str(part) for part in first["loc"])
    return f"method {name!r}: {own if isinstance(own, Exception) else refusal(where, error)}"


REGISTRY: Registry[Method] = Registry("expunge.methods")


def method_names() -> tuple[str, ...]:
    """Names of all installed methods, sorted."""
    return REGISTRY.names()


def method_class(name: str) -> type[Any]:
    """The class behind a name, a `Method`.

    Raises:
        MethodError: No such method is installed, or what is installed under the name is no method.
    """
    return REGISTRY.find(name)


def make_method(name: str, *, preset: str | None = None, settings: Mapping[str, object] | None = None) -> Method:
    """Builds a method from its defaults, then a preset, then single settings (numbers may come as text).

    Args:
        name: One of `method_names`, or "auto".
        preset: A named set of its settings.
        settings: Single settings on top.

    Raises:
        MethodError: Unknown method, preset or setting, or a value that does not fit.
    """
    return REGISTRY.make(name, preset=preset, settings=settings)
