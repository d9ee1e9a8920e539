"""Summaries as figures, drawn by matplotlib: `pip install "expunge[bench]"`."""

from expunge.errors import MissingExtraError

try:
    import matplotlib as _  # noqa: F401 - only whether it is there
except ImportError as error:
    raise MissingExtraError('figures are drawn with matplotlib. Run: pip install "expunge[bench]"') from error

from expunge.bench.figures.every import figures_of
from expunge.bench.figures.heatmap import gap_map
from expunge.bench.figures.sequence import over_requests
from expunge.bench.figures.style import as_svg
from expunge.bench.figures.tradeoff import time_against_distance

__all__ = ["as_svg", "figures_of", "gap_map", "over_requests", "time_against_distance"]
