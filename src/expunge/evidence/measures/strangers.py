"""Test against strangers: can the forgotten classes be told from classes that the model never saw?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from expunge.evidence.measures._attacks import auc_interval
from expunge.evidence.protocol import EVERY_TASK, Case, Reading
from expunge.evidence.registry import make_measures
from expunge.evidence.strangers.lineup import ByClass
from expunge.tasks import task_names

NAME = "strangers"
KNOWN, HOLE, ALIKE = "strangers_known_p", "strangers_hole_p", "strangers_alike_p"


@dataclass(frozen=True)
class Strangers:
    """Ranks the forgotten classes among strangers, in every row that has a value for each class.

    `strangers_known_p` is small where the model knows more of the forgotten classes than of strangers,
    `strangers_hole_p` where it knows less, which marks them, too. Both look at all rows together and are exact, as
    `expunge.evidence.strangers._conformal` says. `beside_…` is the chance, in percent, that a forgotten class looks
    better known than a stranger in that row: 50 is right. `relative_…` is how much nearer than to the original what the
    model makes of the forgotten classes is to what it makes of strangers, below 0 if it is farther; see
    `expunge.evidence.strangers._three_sample`.

    The p-values are left out where they would mislead: with too few strangers to reach 0.05, and where thumbnails alone
    tell the strangers from the model's own classes. They say nothing where the untouched model's is not small, too.
    """

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = "whether forgotten classes can be told from classes that the model never saw"
    source: ClassVar[str] = "conformal p-values: Vovk et al. (2005); over rows: Westfall and Young (1993)"
    slow: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...]] = EVERY_TASK
    labels: ClassVar[Mapping[str, str]] = {
        KNOWN: "better known than strangers, p",
        HOLE: "less known than strangers, p",
        ALIKE: "strangers look alike, p",
        "relative_answers": "nearer to the innocent, answers",
        "relative_features": "nearer to the innocent, features",
    }
    """Of the class; an instance has those of the installed measures' rows, too."""

    def __post_init__(self) -> None:
        others = [one for task in task_names() for one in make_measures(task=task, but=(NAME,))]
        rows = {key: one.labels[key] for one in others if isinstance(one, ByClass) for key in one.known_side}
        beside = {f"beside_{key}": f"{label}, above strangers" for key, label in rows.items()}
        object.__setattr__(self, "labels", {**type(self).labels, **beside})

    def missing(self, case: Case) -> str | None:
        """Needs strangers, and a row that can be taken class by class."""
        return None if case.beside is not None else "needs strangers: classes that the model never saw (--strangers)"

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """The p-values; n is the number of strangers. Then the area of each row."""
        beside = case.beside
        if beside is None:
            return ()
        n, told, alike = beside.strangers, beside.told, beside.alike
        readings = [] if alike is None else [Reading(ALIKE, alike.p, "1", n, aim="context")]
        if told is not None and (alike is None or alike.holds):
            readings += [Reading(KNOWN, told.known, "1", n, aim="high"), Reading(HOLE, told.hole, "1", n, aim="high")]
        for on, one in beside.relative.items():
            readings.append(Reading(f"relative_{on}", one.statistic, "1", one.classes, aim="high"))
        for key, area in zip(beside.keys, beside.areas.tolist(), strict=True):
            around = auc_interval(area, len(beside.forgotten), n)
            readings.append(Reading(f"beside_{key}", 100 * area, "%", n, around.low, around.high))
        return tuple(readings)
