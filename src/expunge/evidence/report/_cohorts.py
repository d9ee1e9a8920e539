"""The classes by what became of them: the geometry of their bars, and the choice shown one by one."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil

from expunge.evidence.report.values import ClassAccuracy

MAX_BARS = 200  # more would be thinner than a pixel on a small screen
MAX_LISTED = 120  # classes shown one by one; a page of print holds about as many
BAR_HEIGHT = 100.0


@dataclass(frozen=True, slots=True)
class Cohort:
    """Classes with one fate: forgotten by the same request, or kept (`request` is None)."""

    request: int | None
    classes: tuple[ClassAccuracy, ...]


def cohorts(classes: Sequence[ClassAccuracy]) -> tuple[Cohort, ...]:
    """Classes by the request that forgets them, in order; those that stay come last."""

    def fate(entry: ClassAccuracy) -> float:
        return float("inf") if entry.forgotten_at is None else float(entry.forgotten_at)

    ordered = sorted(classes, key=fate)
    return tuple(Cohort(group[0].forgotten_at, group) for group in (tuple(g) for _, g in groupby(ordered, fate)))


@dataclass(frozen=True, slots=True)
class Staircase:
    """Accuracy of every class before and after each request, as rows of bars.

    Attributes:
        width: Width of every row; a bar is 1 wide.
        step: Classes a bar stands for; with more than one it shows their mean.
        heads: For each cohort its request, its left edge and its width.
        rows: For each state of the model (0: before) the SVG paths of the bars that stay and of those
            of classes forgotten by then.
    """

    width: float
    step: int
    heads: tuple[tuple[int | None, float, float], ...]
    rows: tuple[tuple[str, str], ...]


def staircase(classes: Sequence[ClassAccuracy], n_requests: int) -> Staircase:
    """The bars of all classes, cohort by cohort."""
    step = ceil(len(classes) / MAX_BARS) or 1
    gap = max(1.0, len(classes) / step / 60)
    heads, rows, left = [], [["", ""] for _ in range(n_requests + 1)], 0.0
    for cohort in cohorts(classes):
        bars = [cohort.classes[at : at + step] for at in range(0, len(cohort.classes), step)]
        heads.append((cohort.request, left, float(len(bars))))
        for state, row in enumerate(rows):
            gone = cohort.request is not None and cohort.request <= state
            row[gone] += "".join(_bar(left + at, _mean(group, state)) for at, group in enumerate(bars))
        left += len(bars) + gap
    return Staircase(round(left - gap, 2), step, tuple(heads), tuple((kept, gone) for kept, gone in rows))


def _mean(group: Sequence[ClassAccuracy], state: int) -> float:
    return sum((entry.before, *entry.after)[state] for entry in group) / len(group)


def _bar(left: float, value: float) -> str:
    height = BAR_HEIGHT * value / 100
    return f"M{left + 0.1:.2f} {BAR_HEIGHT:g}h.8v-{height:.1f}h-.8z" if value else ""


@dataclass(frozen=True, slots=True)
class Listing:
    """The classes shown one by one, and whether they are all."""

    cohorts: tuple[Cohort, ...]
    shown: int
    complete: bool


def listing(classes: Sequence[ClassAccuracy]) -> Listing:
    """All classes, or of very many those least forgotten and those that stay but lost most, half and half."""
    if len(classes) <= MAX_LISTED:
        return Listing(cohorts(classes), len(classes), complete=True)
    gone = sorted((c for c in classes if c.forgotten_at is not None), key=lambda c: -c.after[-1])
    kept = sorted((c for c in classes if c.forgotten_at is None), key=lambda c: c.after[-1] - c.before)
    chosen = [*gone[: MAX_LISTED // 2], *kept[: MAX_LISTED // 2]]
    return Listing(cohorts(chosen), len(chosen), complete=False)
