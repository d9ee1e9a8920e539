"""List of the figures that a suite and setting get, and their file names."""

from collections.abc import Callable, Mapping
from functools import partial

from matplotlib.figure import Figure

from expunge.bench.aggregate import Summary
from expunge.bench.figures._distance import gap_columns
from expunge.bench.figures.heatmap import gap_map
from expunge.bench.figures.sequence import over_requests, panelled
from expunge.bench.figures.style import as_svg
from expunge.bench.figures.tradeoff import time_against_distance


def figures_of(summary: Summary) -> Mapping[str, Callable[[], str]]:
    """File name without folder -> draws the figure and gives its SVG. What there are no figures for is left out."""
    kinds = {
        "gaps": (gap_map, bool(gap_columns(summary))),
        "requests": (over_requests, summary.requests > 1 and bool(panelled(summary))),
        "seconds": (time_against_distance, any((method, "seconds") in summary.final for method in summary.rivals)),
    }
    start = f"{summary.suite}-{summary.setting}"
    return {f"{start}-{kind}.svg": partial(_svg, draw, summary) for kind, (draw, there) in kinds.items() if there}


def _svg(draw: Callable[[Summary], Figure], summary: Summary) -> str:
    return as_svg(draw(summary))
