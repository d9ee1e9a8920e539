"""What many methods check of their settings, and of a request before they start."""

import math
from dataclasses import fields
from typing import Any

from expunge.errors import MethodError
from expunge.tasks.trainable import AnyTask


def refuse_non_finite(method: Any) -> None:
    """Makes sure that no setting of a method, a dataclass, is infinite or not a number: comparisons let both through.

    Raises:
        MethodError: One of them is.
    """
    for field in fields(method):
        value = getattr(method, field.name)
        if isinstance(value, float) and not math.isfinite(value):
            raise MethodError(f"{field.name} must be a finite number, got {value}")


def refuse_zero_or_less(method: object, *names: str) -> None:
    """Makes sure that the named settings are greater than 0.

    Raises:
        MethodError: One of them is not.
    """
    for name in names:
        if getattr(method, name) <= 0:
            raise MethodError(f"{name} must be greater than 0, got {getattr(method, name)}")


def refuse_negative(method: object, *names: str) -> None:
    """Makes sure that the named settings are 0 or more.

    Raises:
        MethodError: One of them is negative.
    """
    for name in names:
        if getattr(method, name) < 0:
            raise MethodError(f"{name} must be 0 or more, got {getattr(method, name)}")


def refuse_outside_fractions(method: object, *names: str, above_zero: bool = False) -> None:
    """Makes sure that the named settings are fractions of a whole, 0 among them unless `above_zero`.

    Raises:
        MethodError: One of them is below 0 or above 1.
    """
    for name in names:
        value = getattr(method, name)
        if not 0 <= value <= 1 or (above_zero and value == 0):
            bounds = "above 0 and at most 1" if above_zero else "0 to 1"
            raise MethodError(f"{name} is a fraction, {bounds}, got {value}")


def refuse_empty(task: AnyTask) -> None:
    """Makes sure that a request brings something of what goes and something of what stays.

    For methods that need both; called before anything is measured, as the mean over nothing is not a number.

    Raises:
        MethodError: There is nothing of one of the two.
    """
    for there, what in ((task.forget, "is forgotten"), (task.retain, "stays")):
        if not len(there):
            raise MethodError(
                f"there is no image of what {what}: give at least one of what is forgotten and one of what stays"
            )
