"""Checks shared by many methods: of a request, before they start."""

import math
from dataclasses import fields
from typing import Any

from expunge.errors import MethodError
from expunge.tasks import AnyTask


def refuse_non_finite(method: Any) -> None:
    """Makes sure that no setting of a method, a dataclass, is infinite or not a number: comparisons let both through.

    Raises:
        MethodError: One of them is.
    """
    for field in fields(method):
        value = getattr(method, field.name)
        if isinstance(value, float) and not math.isfinite(value):
            raise MethodError(f"{field.name} must be a finite number, got {value}")


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
