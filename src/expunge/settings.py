"""Settings as frozen dataclasses: the type of each says which values can work, and all others are refused.

The types are pydantic's own, such as `PositiveFloat`, and the two fractions below.
"""

from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, ClassVar, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from expunge.errors import ExpungeError

Fraction = Annotated[float, Field(ge=0, le=1)]
"""A part of a whole, maybe nothing of it."""

PositiveFraction = Annotated[float, Field(gt=0, le=1)]
"""A part of a whole, at least something of it."""

_SAYS = {
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be {le:g} or less",
    "too_short": "must hold {min_length} or more",
    "finite_number": "must be a finite number",
}


@dataclass(frozen=True)
class Checked:
    """Settings, a frozen dataclass.

    Attributes:
        refuses: The exception for a value that its type does not allow, is infinite or not a number.
    """

    refuses: ClassVar[type[ExpungeError]]

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(allow_inf_nan=False)

    def __post_init__(self) -> None:
        """Refuses settings that cannot work."""
        for name, adapter in _adapters(type(self)):
            try:
                adapter.validate_python(getattr(self, name))
            except ValidationError as error:
                raise self.refuses(refusal(name, error)) from error


def refusal(name: str, error: ValidationError) -> str:
    """Sentence that says what a setting must be, and what it was."""
    first = error.errors()[0]
    says = _SAYS.get(first["type"])
    if says is None:
        return f"setting {name!r}: {first['msg']}, got {first['input']!r}"
    return f"{name} {says.format(**first.get('ctx', {}))}, got {first['input']}"


@cache
def _adapters(owner: type[Any]) -> tuple[tuple[str, Any], ...]:
    """A check for each type that a setting has anywhere: a subclass with another default keeps its parents' bounds."""
    config = ConfigDict(allow_inf_nan=False, strict=True)
    families = [get_type_hints(one, include_extras=True) for one in owner.__mro__]
    types = dict.fromkeys(
        (field.name, one[field.name]) for field in fields(owner) for one in families if field.name in one
    )
    return tuple((name, TypeAdapter(kind, config=config)) for name, kind in types)
