"""Seconds against distance from the oracle: what forgetting costs and what it is worth."""

from statistics import fmean

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from expunge.bench._results import ANCHORS, ORIGINAL
from expunge.bench.aggregate import Summary
from expunge.bench.figures._distance import probe_distance
from expunge.bench.figures._placing import nearest, place
from expunge.bench.figures.style import BLUE, INK, ORANGE, SETTINGS, blank, quiet_grid, settle

QUICKEST = 1e-3
"""Seconds; whatever is quicker is drawn here, as a logarithmic axis has no zero."""


def time_against_distance(summary: Summary) -> Figure:
    """A point a method: mean seconds a request, and mean distance from oracle-scratch over the probes.

    Distance is the mean |gap| over the rates that aim at the oracle, in percentage points; where there are none, the
    vertical axis is 100 - H. Lower left is better. The bar through a point goes from its lowest to its highest seed.
    Anchors are squares.
    """
    heights = {method: _heights(summary, method) for method in summary.methods}
    methods = [m for m in summary.methods if m != ORIGINAL and heights[m] and (m, "seconds") in summary.final]
    probes = any(probe_distance(summary, method) for method in methods)
    with mpl.rc_context(SETTINGS):
        figure = blank(8.2, 5.2)
        axes = figure.subplots()
        points = []
        for method in methods:
            x, values = max(QUICKEST, summary.final[method, "seconds"].mean), list(heights[method].values())
            points.append((x, fmean(values)))
            colour, marker = (ORANGE, "s") if method in ANCHORS else (BLUE, "o")
            axes.plot([x, x], [min(values), max(values)], color=colour, linewidth=1, alpha=0.5)
            axes.plot(*points[-1], marker, color=colour, markersize=5)
        axes.set_xscale("log")
        axes.set_xlabel("seconds a request")
        axes.set_ylabel("mean distance from oracle-scratch, points" if probes else "100 − H, points")
        axes.set_ylim(bottom=min(0.0, *(y for _, y in points)) - 2 if points else None)
        axes.margins(x=0.08, y=0.08)
        quiet_grid(axes)
        _name(figure, axes, methods, points)
    return figure


def _heights(summary: Summary, method: str) -> dict[int, float]:
    if probed := probe_distance(summary, method):
        return probed
    if any(probe_distance(summary, other) for other in summary.methods):
        return {}
    h = summary.final.get((method, "h"))
    return {seed: 100 - value for seed, value in h.by_seed.items()} if h else {}


def _name(figure: Figure, axes: Axes, methods: list[str], points: list[tuple[float, float]]) -> None:
    """Writes the names; the figure is laid out first, as places are found in pixels."""
    canvas = FigureCanvasAgg(settle(figure))
    texts = [axes.annotate(name, (0, 0), xycoords="figure pixels", fontsize=8) for name in methods]
    extents = [text.get_window_extent(canvas.get_renderer()) for text in texts]
    sizes = [(float(box.width) + 2, float(box.height) + 1) for box in extents]
    pixels = [(float(x), float(y)) for x, y in axes.transData.transform(points)] if points else []
    left, bottom, right, top = map(float, axes.get_window_extent().extents)
    back = figure.transFigure.inverted()
    for text, box, pixel in zip(texts, place(pixels, sizes, (left, bottom, right, top)), pixels, strict=True):
        text.remove()
        x, y = back.transform(box[:2])
        figure.text(x, y, text.get_text(), fontsize=8, va="bottom", color=INK)
        end = nearest(box, pixel)
        if abs(end[0] - pixel[0]) + abs(end[1] - pixel[1]) > 9:
            line = [back.transform(pixel), back.transform(end)]
            figure.add_artist(Line2D(*zip(*line, strict=True), color=INK, linewidth=0.5, transform=figure.transFigure))
