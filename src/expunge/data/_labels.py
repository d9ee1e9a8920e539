"""Labels and lengths of data set objects, checked."""

import operator
from collections.abc import Iterable
from typing import Any

from expunge.errors import DataError


def length(dataset: Any, part: str) -> int:
    """Number of rows or items; `part` says in errors whose.

    Raises:
        DataError: It has no length, as streams have none, or is empty.
    """
    try:
        n = len(dataset)
    except TypeError as error:
        raise DataError(
            f"the {part} data ({type(dataset).__name__}) have no length: expected a map-style data set, not a stream"
        ) from error
    if n == 0:
        raise DataError(f"the {part} data are empty: expected at least one image")
    return n


def as_label(value: Any, name: str) -> int:
    """Any integer as an `int`, a number in a tensor or an array too; `name` says in errors whose.

    Raises:
        DataError: It is no integer.
    """
    try:
        return operator.index(value)
    except TypeError as error:
        raise DataError(f"the label of {name} is {value!r}: expected an integer, the index of a class name") from error


def as_labels(values: Iterable[Any], part: str) -> tuple[int, ...]:
    """All labels of a part, as `int`.

    Raises:
        DataError: One is no integer.
    """
    return tuple(as_label(value, f"{part}/{index}") for index, value in enumerate(values))
