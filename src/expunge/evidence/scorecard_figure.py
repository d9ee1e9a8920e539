"""The scorecard as one SVG figure: the edited model's dots beside the original's and the oracle's on one axis."""

from dataclasses import dataclass
from functools import cache
from textwrap import wrap

from jinja2 import Environment

from expunge.evidence._scorecard_strips import span
from expunge.evidence.report import _formats as formats
from expunge.evidence.scorecard import Part, Row, Scorecard
from expunge.evidence.scorecard_groups import HINTS, drawn, grouped, struck
from expunge.evidence.scorecard_words import SAYS, chance, headline
from expunge.evidence.verdict import Verdict
from expunge.pages import page_environment

WIDTH = 860.0
_AXIS_LEFT, _AXIS_RIGHT = 258.0, 610.0
_TOP, _ROW, _HEADING, _FOOT = 148.0, 26.0, 40.0, 20.0
_SENTENCE, _WIDE = 20.0, 104  # a line of the sentence above the legend, and the characters that fit into it
_LABEL = 34  # characters that fit left of the axis


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the figure: its height, and the places of its marks; None where there is none.

    Attributes:
        row: The numbers.
        y: Middle of the line.
        edited: Place of the dot.
        original: Place of the hollow circle.
        oracle: Place of the hollow diamond.
        interval: Ends of the bar.
        stays: Whether the row is about what should be kept.
        struck: Whether a row struck from the head gives this figure by itself; it is then never in bold.
    """

    row: Row
    y: float
    edited: float
    original: float | None
    oracle: float | None
    interval: tuple[float, float] | None
    stays: bool
    struck: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """All that is drawn.

    Attributes:
        headings: Headings with their heights.
        lines: The rows.
        height: The figure's height.
        top: Where the axis starts.
        sentence: What was shown, in words, line by line; empty where there is nothing to say.
    """

    headings: tuple[tuple[str, float], ...]
    lines: tuple[Line, ...]
    height: float
    top: float
    sentence: tuple[str, ...]


def layout(scorecard: Scorecard) -> Layout:
    """Places every row; lengths in SVG user units, y downwards."""
    sentence = tuple(wrap(headline(scorecard), _WIDE, max_lines=2, placeholder="…"))
    top = _TOP + _SENTENCE * len(sentence)
    headings, lines, y = [], [], top
    for heading, rows in grouped(drawn(scorecard)):
        headings.append((heading, y + 26))
        y += _HEADING
        for row in rows:
            lines.append(_line(row, y + _ROW / 2))
            y += _ROW
    return Layout(tuple(headings), tuple(lines), y + _FOOT, top, sentence)


def render_figure(scorecard: Scorecard, verdict: Verdict | None = None) -> str:
    """The figure as a file of its own, which follows the viewer's light or dark scheme.

    Args:
        scorecard: What to show: its rows in percent that have an aim, the most telling ones.
        verdict: What the headline says of it.
    """
    return render("scorecard.svg.j2", scorecard=scorecard, verdict=verdict, placed=layout(scorecard), inline=False)


def render(template: str, **values: object) -> str:
    """Fills one of the templates in the report's folder."""
    return _environment().get_template(template).render(**values)


def number(value: float | None, unit: str) -> str:
    """A value in a table: one decimal for rates, three for what is counted from 0 to 1, a dash for nothing."""
    if value is None:
        return "–"
    digits = {"%": 1, "steps": 0}.get(unit, 3)
    return f"{value:.{digits}f}".replace("-", "−")


def shown(row: Row, part: Part = "value") -> str:
    """One of a row's numbers in a table, with "at most" or "at least" where it is only a bound."""
    value: float | None = getattr(row, part)
    return number(value, row.unit) if value is None else row.bounded(part, number(value, row.unit))


def names(classes: tuple[str, ...], most: int = 3) -> str:
    """Some names, and how many more there are."""
    more = f" and {len(classes) - most} more" if len(classes) > most else ""
    return ", ".join(classes[:most]) + more


def shortened(text: str, length: int) -> str:
    """A text that fits into so many characters."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


@cache
def _environment() -> Environment:
    environment = page_environment("expunge.evidence.report")
    environment.filters |= {"number": number, "shown": shown, "names": names, "shortened": shortened}
    environment.filters |= {"count": formats.count, "chance": chance, "ranged": span}
    axis = {"left": _AXIS_LEFT, "right": _AXIS_RIGHT, "width": WIDTH, "label": _LABEL}
    environment.globals |= {"plural": formats.plural, "says": SAYS, "hints": HINTS, "axis": axis}
    environment.tests |= {"struck": struck}
    return environment


def _line(row: Row, y: float) -> Line:
    interval = None if row.low is None or row.high is None else (_place(row.low), _place(row.high))
    return Line(
        row=row,
        y=y,
        edited=_place(row.value),
        original=None if row.original is None else _place(row.original),
        oracle=None if row.oracle is None else _place(row.oracle),
        interval=interval,
        stays=row.aim == "high",
        struck=struck(row.key),
    )


def _place(value: float) -> float:
    return round(_AXIS_LEFT + (_AXIS_RIGHT - _AXIS_LEFT) * value / 100, 1)
