"""The geometry of the figures over requests: numbers in, coordinates out. A template draws them.

Lengths are in SVG user units, y grows downwards. Coordinates are rounded, for they are only drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

from expunge.evidence.metrics import Metrics

WIDTH, HEIGHT = 460.0, 240.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 38.0, 64.0, 12.0, 34.0
_LABEL_GAP = 16.0


@dataclass(frozen=True, slots=True)
class Point:
    """One measured value: where it stands, and the ends of its interval if it has one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """One figure over the requests, the edit against the head mask.

    Attributes:
        edit: One point a request.
        mask: The same for the head mask.
        grid: Values of the axis and their heights.
        requests: Numbers of the requests to write and their places.
        labels: Heights of the two last values' labels, edit and mask, kept apart.
        floor: Where the axis starts, in percent.
        left: Left edge of the axis.
        right: Right edge of the axis.
    """

    edit: tuple[Point, ...]
    mask: tuple[Point, ...]
    grid: tuple[tuple[int, float], ...]
    requests: tuple[tuple[int, float], ...]
    labels: tuple[float, float]
    floor: int
    left: float = _LEFT
    right: float = WIDTH - _RIGHT


def h(metrics: Metrics) -> Panel:
    """H after each request."""
    return _panel([(r.h, None) for r in metrics.requests], [r.head_mask.h for r in metrics.requests])


def acc_r(metrics: Metrics) -> Panel:
    """Acc_r after each request, with its intervals."""
    edit = [(r.acc_r.after, r.acc_r.ci95) for r in metrics.requests]
    return _panel(edit, [r.head_mask.acc_r for r in metrics.requests])


def _panel(edit: Sequence[tuple[float, tuple[float, float] | None]], mask: Sequence[float]) -> Panel:
    lowest = min([*mask, *(interval[0] if interval else value for value, interval in edit)])
    step, bottom = _axis(lowest)

    def height(value: float) -> float:
        return round(_TOP + (100 - value) / (100 - bottom) * (HEIGHT - _TOP - _BOTTOM), 1)

    def place(index: int) -> float:
        return round(_LEFT + (index + 0.5) / len(edit) * (WIDTH - _LEFT - _RIGHT), 1)

    points = tuple(
        Point(place(index), height(value), *(map(height, interval) if interval else ()))
        for index, (value, interval) in enumerate(edit)
    )
    anchors = tuple(Point(place(index), height(value)) for index, value in enumerate(mask))
    every = ceil(len(edit) / 12)
    return Panel(
        edit=points,
        mask=anchors,
        grid=tuple((value, height(float(value))) for value in range(100, bottom - 1, -step)),
        requests=tuple((i + 1, place(i)) for i in range(0, len(edit), every)),
        labels=_apart(points[-1].y, anchors[-1].y),
        floor=bottom,
    )


def _axis(lowest: float) -> tuple[int, int]:
    """Step and floor of an axis up to 100 with at most five steps, which shows at least ten points."""
    floors = {step: step * floor(min(max(lowest - 1, 0), 90) / step) for step in (2, 5, 10, 20)}
    return next((step, bottom) for step, bottom in floors.items() if 100 - bottom <= 5 * step)


def _apart(first: float, second: float) -> tuple[float, float]:
    """Two heights moved apart until their labels do not touch."""
    push = max(0.0, _LABEL_GAP - abs(first - second)) / 2
    up, down = (first, second) if first <= second else (second, first)
    up, down = round(up - push, 1), round(down + push, 1)
    return (up, down) if first <= second else (down, up)
