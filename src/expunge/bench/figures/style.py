"""Style of all figures: colours that hold on light and dark pages and for colour-blind eyes, and the SVG writer.

Figures have no background. Ink is one mid-grey with a contrast of about 4 : 1 against white and against the dark grey
of the documentation's dark scheme.
"""

import io
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType

INK = "#7b7f87"
BLUE, ORANGE, GREEN = "#2f86c9", "#d97a1f", "#2a9d7c"
"""Near Okabe and Ito's blue, orange and green, moved to a middle lightness."""

SETTINGS: dict[RcKeyType, Any] = {
    # The first comes with matplotlib, so that every machine lays figures out the same; a reader without it gets the
    # browser's own, which is narrower.
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "sans-serif"],
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": "none",
    "legend.frameon": False,
    "svg.hashsalt": "expunge",  # ids follow from the content, not from chance
    "svg.fonttype": "none",  # text stays text: it can be searched, and the file is a third of the size
}


def blank(width: float, height: float) -> Figure:
    """An empty figure; sizes in inches. To be called and drawn on under `matplotlib.rc_context(SETTINGS)`."""
    return Figure(figsize=(width, height), layout="constrained")


def settle(figure: Figure) -> Figure:
    """Lays the figure out once and for all; a second round would move things by a hair, and change the bytes."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def as_svg(figure: Figure) -> str:
    """The figure as SVG text; the same figure gives the same bytes, as no date is written."""
    text = io.StringIO()
    with mpl.rc_context(SETTINGS):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": "expunge"})
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def quiet_grid(axes: Axes) -> None:
    """Faint lines behind the data."""
    axes.grid(True, color=INK, alpha=0.2, linewidth=0.6)
    axes.set_axisbelow(True)
