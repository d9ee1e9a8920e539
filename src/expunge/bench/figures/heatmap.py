"""Method × measure: how far each figure is from that of oracle-scratch."""

from statistics import fmean

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from expunge.bench._columns import Column, signed
from expunge.bench._results import ANCHORS
from expunge.bench.aggregate import Summary
from expunge.bench.figures._distance import column_scale, gap_columns, probe_distance
from expunge.bench.figures.style import INK, SETTINGS, blank, settle

MAP = "RdBu_r"
DARK, LIGHT = "#16181c", "#ffffff"
MIDDLE = 0.2
"""Relative luminance at which both inks have the same contrast."""
CELL, ROW, NAMES, HEADINGS = 0.72, 0.25, 1.5, 1.15
"""Inches: width and height of a cell, room for the methods' names and for the headings."""


def gap_map(summary: Summary) -> Figure:
    """A cell a method and measure, with its gap to oracle-scratch at the end of the sequence.

    Red is more than the oracle, blue less, white the same; each column's colours span its own greatest gap. Methods
    are sorted by `probe_distance`, closest first, below the anchors.
    """
    shown = gap_columns(summary)
    scales = {column.key: column_scale(summary, column.key) for column in shown}
    methods = _sorted_methods(summary)
    with mpl.rc_context(SETTINGS):
        figure = blank(NAMES + CELL * len(shown), HEADINGS + ROW * len(methods))
        axes = figure.subplots()
        for row, method in enumerate(methods):
            for place, column in enumerate(shown):
                _cell(axes, summary, method, column, (place, row), scales[column.key])
        axes.set_xlim(-0.02, len(shown))
        axes.set_ylim(len(methods), -0.02)
        axes.set_xticks([place + 0.5 for place in range(len(shown))], [column.heading for column in shown])
        axes.set_yticks([row + 0.5 for row in range(len(methods))], methods)
        axes.tick_params(length=0, labeltop=True, labelbottom=False)
        for label in axes.get_xticklabels():
            label.set(rotation=40, ha="left", va="bottom", rotation_mode="anchor")
        axes.spines[:].set_visible(False)
        anchors = sum(method in ANCHORS for method in methods)
        axes.axhline(anchors - 0.01, color=INK, linewidth=1)
        return settle(figure)


def _sorted_methods(summary: Summary) -> list[str]:
    def distance(method: str) -> float:
        by_seed = probe_distance(summary, method)
        return fmean(by_seed.values()) if by_seed else float("inf")

    anchors = [method for method in summary.methods if method in ANCHORS]
    return anchors + sorted(summary.rivals, key=lambda method: (distance(method), method))


def _cell(axes: Axes, summary: Summary, method: str, column: Column, at: tuple[int, int], scale: float) -> None:
    estimate = summary.final.get((method, column.key))
    x, y = at
    if estimate is None or estimate.gap is None:
        axes.text(x + 0.5, y + 0.5, "–", ha="center", va="center", color=INK)
        return
    colour = to_rgb(mpl.colormaps[MAP](0.5 + 0.5 * max(-1.0, min(1.0, estimate.gap / scale))))
    axes.add_patch(Rectangle((x + 0.02, y + 0.04), 0.96, 0.92, facecolor=colour, linewidth=0))
    ink = DARK if _luminance(colour) > MIDDLE else LIGHT
    axes.text(x + 0.5, y + 0.53, signed(estimate.gap, estimate.unit), ha="center", va="center", color=ink, fontsize=8)


def _luminance(colour: tuple[float, float, float]) -> float:
    """Relative luminance of an sRGB colour, 0 to 1 (WCAG 2.1)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
