"""Forgotten classes beside strangers as strips: one a row, known classes to the right. Numbers in, places out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from expunge.evidence.strangers.finding import BesideStrangers, StrangersRow

_DOT, _LEVELS = 7.0, 5
"""Pixels from dot to dot where several stand in one place, and how many are stacked before they move closer."""
_BIN = 1.5  # percent of the width within which dots would cover each other
_TICK = 13.0  # greatest length of a tick, in pixels


@dataclass(frozen=True, slots=True)
class Dot:
    """A forgotten class: its name, what tells its value, and where it stands."""

    name: str
    value: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Tick:
    """Strangers that share a value: how many, what tells it, where they stand and how long the tick is."""

    count: int
    value: str
    x: float
    length: float


@dataclass(frozen=True, slots=True)
class Strip:
    """One row. Places are in percent of the width, from least to best known; heights in pixels, downwards.

    Attributes:
        row: The numbers.
        dots: Forgotten classes, above the line; those in one place are stacked.
        ticks: Strangers, below the line; the longer, the more share a value.
        ends: The values at the left and at the right end.
        line: Height of the line.
        height: Height of the whole.
        known: Whether this row by itself tells the forgotten classes as known.
        hole: Whether it tells them as less known than strangers.
    """

    row: StrangersRow
    dots: tuple[Dot, ...]
    ticks: tuple[Tick, ...]
    ends: tuple[str, str]
    line: float
    height: float
    known: bool
    hole: bool


def strips(beside: BesideStrangers) -> tuple[Strip, ...]:
    """A strip for every row, each on an axis of its own from its least to its greatest value."""
    return tuple(_strip(row, beside.level) for row in beside.rows)


def valued(value: float) -> str:
    """A value of any unit: three digits, a true minus sign."""
    return f"{value:.3g}".replace("-", "−")


def span(values: Sequence[float]) -> str:
    """From the least to the greatest value, or the only one."""
    least, greatest = valued(min(values)), valued(max(values))
    return least if least == greatest else f"{least} to {greatest}"


def _strip(row: StrangersRow, level: float) -> Strip:
    values = (*row.forgotten.values(), *row.strangers)
    least, greatest = min(values), max(values)

    def place(value: float) -> float:
        share = 50.0 if least == greatest else 100 * (value - least) / (greatest - least)
        return round(100 - share if row.known_side == "below" else share, 1)

    shared = Counter(row.strangers)
    most = max(shared.values(), default=1)
    ticks = tuple(Tick(n, valued(v), place(v), round(4 + (_TICK - 4) * n / most, 1)) for v, n in shared.items())
    stacked = _stacked([place(value) for value in row.forgotten.values()])
    highest = max(stacked, default=0)
    apart = _DOT if highest < _LEVELS else _DOT * (_LEVELS - 1) / highest
    line = round(9 + apart * highest, 1)
    dots = tuple(
        Dot(name, valued(value), place(value), round(line - 5 - apart * at, 1))
        for (name, value), at in zip(row.forgotten.items(), stacked, strict=True)
    )
    left, right = (greatest, least) if row.known_side == "below" else (least, greatest)
    return Strip(
        row=row,
        dots=dots,
        ticks=ticks,
        ends=(valued(left), valued(right)),
        line=line,
        height=line + _TICK + 2,
        known=row.known_p is not None and row.known_p < level,
        hole=row.hole_p is not None and row.hole_p < level,
    )


def _stacked(places: Sequence[float]) -> list[int]:
    """For each dot how many stand below it in the same place."""
    bins, found = Counter[int](), []
    for place in places:
        found.append(bins[round(place / _BIN)])
        bins[round(place / _BIN)] += 1
    return found
