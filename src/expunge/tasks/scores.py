"""Scores of a model's answers: rates of classes in percent, whatever a task's rates are, and H made from them."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from expunge.values import Interval


@dataclass(frozen=True, slots=True)
class Share:
    """A rate in percent.

    Attributes:
        percent: The rate; 0 where nothing was tried.
        n: How many trials are behind it: images, or objects.
        classes: Of how many classes it is the mean; None where it is a share of trials.
    """

    percent: float
    n: int
    classes: int | None = None


@runtime_checkable
class Scores(Protocol):
    """The rates of one model on the test data.

    Attributes:
        counted: What rates are counted on, in messages: "test images".
    """

    counted: ClassVar[str]

    def rate(self, classes: Collection[int] | None = None) -> Share:
        """The rate on `classes`, by default on all there are."""
        ...

    def interval(self, classes: Collection[int], percent: float) -> Interval:
        """The 95 % interval of that rate.

        Args:
            classes: Classes with something to count.
            percent: The rate as it is shown; an interval that draws the data anew is widened to hold it.
        """
        ...


def harmonic_mean(kept: float, drop: float) -> float:
    """H, the harmonic mean of what was kept and what was lost: 2 * Acc_r * Drop / (Acc_r + Drop).

    Source: GS-LoRA (arXiv 2403.11530), where it is called H-Mean; Drop = Acc_f before - Acc_f after.

    Args:
        kept: Acc_r, the rate on the classes that stay, in percent.
        drop: Loss on the forgotten classes, in percentage points. A gain (below 0) counts as 0: a request that made
            the model better at the class has forgotten nothing.

    Returns:
        H in percent; 0 where both are 0.
    """
    lost = max(drop, 0.0)
    return 2 * kept * lost / (kept + lost) if kept + lost else 0.0
