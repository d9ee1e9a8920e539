"""Settings of measures, checked when a measure is made."""

from dataclasses import dataclass
from typing import ClassVar

from expunge.errors import EvidenceError, ExpungeError
from expunge.settings import Checked


@dataclass(frozen=True)
class Settings(Checked):
    """A measure's settings, a frozen dataclass.

    Raises:
        EvidenceError: One of them has a value that its type does not allow, is infinite or not a number.
    """

    refuses: ClassVar[type[ExpungeError]] = EvidenceError
