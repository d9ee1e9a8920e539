"""H, Acc_r and Acc_o over the requests, a small panel a method."""

from collections.abc import Mapping
from math import ceil
from typing import Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from expunge.bench._columns import columns
from expunge.bench._results import ORIGINAL
from expunge.bench.aggregate import Summary
from expunge.bench.figures.style import BLUE, GREEN, INK, ORANGE, SETTINGS, blank, quiet_grid, settle

LINES: Mapping[str, tuple[str, Literal["-", "--", "-."]]] = {
    "h": (BLUE, "-"),
    "acc_r": (GREEN, "--"),
    "acc_o": (ORANGE, "-."),
}
"""Key -> colour, dashes: told apart without colour too."""
ACROSS, WIDTH, HEIGHT = 5, 1.62, 1.25


def over_requests(summary: Summary) -> Figure:
    """One panel a method with all requests on the horizontal axis and 0 to 100 % on the vertical.

    Lines are means over seeds, bands reach from the lowest to the highest seed. The thin grey line in every panel is H
    of the head mask. Dots where not every request was measured.
    """
    methods = panelled(summary)
    rows = ceil(len(methods) / ACROSS)
    with mpl.rc_context(SETTINGS):
        figure = blank(0.4 + WIDTH * ACROSS, 0.6 + HEIGHT * rows)
        panels = list(figure.subplots(rows, ACROSS, sharex=True, sharey=True, squeeze=False).flat)
        for panel, method in zip(panels, methods, strict=False):
            _panel(panel, summary, method)
        for empty in panels[len(methods) :]:
            empty.set_visible(False)
        figure.supxlabel("request", fontsize=9, color=INK)
        figure.supylabel("%", fontsize=9, color=INK, rotation=0)
        figure.legend(*_legend(summary), loc="outside upper left", ncols=4)
        return settle(figure)


def panelled(summary: Summary) -> list[str]:
    """Methods that get a panel."""
    return [m for m in summary.methods if m != ORIGINAL and any((m, key) in summary.final for key in LINES)]


def _panel(axes: Axes, summary: Summary, method: str) -> None:
    numbers = range(1, summary.requests + 1)
    mask = [summary.steps.get(("head-mask", "h", number)) for number in numbers]
    points = [(number, one.mean) for number, one in zip(numbers, mask, strict=True) if one]
    axes.plot(*zip(*points, strict=True), color=INK, linewidth=0.8) if points else None
    for key, (colour, dashes) in LINES.items():
        found = [(number, one) for number in numbers if (one := summary.steps.get((method, key, number)))]
        if not found:
            continue
        x = [number for number, _ in found]
        lows, highs = ([end(one.by_seed.values()) for _, one in found] for end in (min, max))
        axes.fill_between(x, lows, highs, color=colour, alpha=0.2, linewidth=0)
        # Oracles are measured after some requests only; and one point makes no line.
        sparse = "o" if len(found) < summary.requests - 1 or len(found) == 1 else None
        axes.plot(x, [one.mean for _, one in found], dashes, color=colour, linewidth=1.4, marker=sparse, markersize=3)
    axes.set(title=method, ylim=(-4, 104), xlim=(0.7, summary.requests + 0.3), yticks=(0, 50, 100))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    quiet_grid(axes)


def _legend(summary: Summary) -> tuple[list[Line2D], list[str]]:
    lines = [Line2D([], [], color=colour, linestyle=dashes) for colour, dashes in LINES.values()]
    lines.append(Line2D([], [], color=INK, linewidth=0.8))
    headings = {column.key: column.heading for column in columns(tuple(LINES), summary.task)}
    return lines, [*(headings[key] for key in LINES), "H of the head mask"]
