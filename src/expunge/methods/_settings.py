"""Settings of methods, checked when a method is made, and the types of those that are parts of a whole."""

from dataclasses import dataclass
from typing import ClassVar

from expunge.errors import ExpungeError, MethodError
from expunge.settings import Checked, Fraction, PositiveFraction, refusal

__all__ = ["Fraction", "PositiveFraction", "Settings", "refusal"]


@dataclass(frozen=True)
class Settings(Checked):
    """A method's settings, a frozen dataclass.

    Raises:
        MethodError: One of them has a value that its type does not allow, is infinite or not a number.
    """

    refuses: ClassVar[type[ExpungeError]] = MethodError
