"""Answers of a detector where an object of a forgotten class is: another name, or nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from expunge.errors import EvidenceError
from expunge.evidence.measures._readings import rate_reading
from expunge.evidence.protocol import Case, Reading
from expunge.tasks.detection import best_threshold, fired, match_scenes


@dataclass(frozen=True)
class Relabelling:
    """Counts test objects of forgotten classes at which the detector fires under another name, or not at all.

    It fires where it puts a box that overlaps the object by one half or more (IoU) with a score of at least
    `threshold`. A box that is right about another object which happens to stand there does not count. An object that
    is found under its own name alone is neither relabelled nor silent; one that is found under both is relabelled.

    Attributes:
        threshold: Least score, 0 to 1. By default the score at which the original detector reaches its best F1 on the
            retained classes of the test scenes: where someone who uses it would put it, and the same for every model
            that it is compared with. A fixed number would fire anywhere or nowhere, as the level of scores hangs on
            the loss that a detector was trained with.
    """

    threshold: float | None = None

    name: ClassVar[str] = "relabelling"
    summary: ClassVar[str] = "share of forgotten objects that are found under another name, and of those not found"
    source: ClassVar[str] = "ours"
    slow: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...]] = ("detection",)
    labels: ClassVar[Mapping[str, str]] = {"relabelled": "found under another name", "silent": "not found at all"}

    def __post_init__(self) -> None:
        """Refuses settings that cannot work."""
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise EvidenceError(f"Expected a threshold from 0 to 1, got {self.threshold}. Scores are probabilities.")

    def missing(self, case: Case) -> str | None:
        """Needs test objects of a forgotten class, and without a threshold an original that finds what stays."""
        counts = case.test.counts()
        if not any(counts[label] for label in case.forgotten):
            return "needs test objects of a forgotten class"
        if self.threshold is None and _original_threshold(case) is None:
            return "needs an original detector that finds an object of a retained class, or a threshold"
        return None

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """Both shares, over all test objects of classes of this and earlier requests."""
        threshold = _original_threshold(case) if self.threshold is None else self.threshold
        if threshold is None:
            return ()
        renamed, silent = fired(case.view.test.found(), case.test, case.forgotten, threshold)
        rows = (("relabelled", renamed), ("silent", silent))
        return tuple(rate_reading(key, float(flags.double().mean()), len(flags)) for key, flags in rows)


def _original_threshold(case: Case) -> float | None:
    matches = match_scenes(case.original.test.found(), case.test)
    return best_threshold([matches[label] for label in case.retain])
