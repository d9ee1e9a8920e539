"""In which order the rows of a scorecard are shown, and under which headings."""

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

from expunge.evidence.protocol import Measure
from expunge.evidence.scorecard import Row, Scorecard

STAYS, BESIDE, OTHERS = "What stays", "Beside strangers", "Other measures"

_HEADINGS: dict[str, tuple[str, ...]] = {
    "What the model answers": ("rows-in-place", "forgetting", "average-precision"),
    STAYS: (),
    "Where the objects are": ("relabelling",),
    "What its features still know": (
        "linear-probe",
        "nearest-centre",
        "prototype-relearning",
        "retrieval",
        "verification",
        "inversion",
        "steering",
        "relearn-time",
        "harmless-tuning",
        "derived",
    ),
    BESIDE: ("strangers",),
    "What attacks find": ("class-membership", "answers", "confidence-attack", "u-lira"),
    "How like the oracle it is": ("idi", "cka", "js-divergence", "zrf"),
    "After rounding to eight bits": ("quantisation",),
    "After pruning the smallest weights": ("pruning",),
}
HINTS = {
    "What the model answers": "0 is right; only rows in place speak of the weights",
    STAYS: "high is right",
    "Where the objects are": "near the oracle is right",
    "What its features still know": "near the oracle is right",
    BESIDE: "areas near 50 are right, p above 0.05",
    "What attacks find": "near the oracle is right",
    "After rounding to eight bits": "as above",
    "After pruning the smallest weights": "as above",
}
"""Hints under each heading, for people: what a good value is."""

_HEADING = {measure: heading for heading, measures in _HEADINGS.items() for measure in measures}
_OURS = tuple(_HEADING)
_KEPT = ("forgetting", "rows-in-place", "average-precision", "linear-probe", "nearest-centre")
"""Measures that also say what a method should keep."""

HEADLINE = frozenset(
    {
        "acc_f",
        "acc_f_worst",
        "acc_o",
        "acc_o_worst",
        "acc_r",
        "acc_m",
        "h",
        "linear_probe",
        "linear_probe_retained",
        "nearest_centre",
        "rank1",
        "knn_5",
    }
    | {"prototype_relearning_1", "prototype_relearning_5", "prototype_relearning_10", "cmia_auc", "u_lira_auc"}
    | {"rows_in_place_acc_f", "rows_in_place_acc_f_worst", "rows_in_place_acc_o", "rows_in_place_acc_o_worst"}
    | {"confidence_among_retained", "rows_in_place_h", "int8_rows_in_place_acc_f"}
    | {"relabelled", "silent", "mia_modified_entropy_auc", "int8_acc_f", "int8_acc_r", "int8_linear_probe"}
)
"""Rows of ours that the figure shows; it shows all rows of measures that are not ours."""

IN_STRIPS = "beside_"
"""Prefix of the rows that pages show as strips instead."""
IN_PLACE = "rows_in_place_"
"""Prefix of the rows that hold with the original head's rows put back."""

_STRUCK = re.compile(r"(int8_|pruned_\d+_)?(acc_[fo](_worst)?|h)")
"""Rows that a stroke of the head brings where they should be, whatever the weights know."""


M = TypeVar("M", bound=Measure)


def in_order(measures: Iterable[M]) -> list[M]:
    """Measures as their rows are shown: ours by heading, then the others by name."""
    places = {name: place for place, name in enumerate(_OURS)}
    return sorted(measures, key=lambda measure: (places.get(measure.name, len(places)), measure.name))


def grouped(rows: Iterable[Row]) -> list[tuple[str, tuple[Row, ...]]]:
    """Rows under their headings; a heading without rows is left out.

    A row that a stroke of the head decides stands behind the same with the original's rows put back.
    """
    found: dict[str, list[Row]] = {heading: [] for heading in (*_HEADINGS, OTHERS)}
    for row in rows:
        found[_heading(row)].append(row)
    return [(heading, _in_place_first(rows)) for heading, rows in found.items() if rows]


def _in_place_first(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Each row behind the one of the weights alone that belongs to it, where there is one."""
    alone = {row.key.replace(IN_PLACE, "", 1): row for row in rows if IN_PLACE in row.key}
    keys, ordered = {row.key for row in rows}, list[Row]()
    for row in rows:
        if row.key in alone:
            ordered.append(alone[row.key])
        if IN_PLACE not in row.key or row.key.replace(IN_PLACE, "", 1) not in keys:
            ordered.append(row)
    return tuple(ordered)


def drawn(scorecard: Scorecard) -> tuple[Row, ...]:
    """The rows that the figure shows: on its axis from 0 to 100 %, and of the first rank; of all ranks if none is."""
    fitting = [row for row in scorecard.rows if row.aim != "context" and all(on_axis(row, v) for v in _values(row))]
    first = tuple(row for row in fitting if row.key in HEADLINE or row.measure not in _OURS)
    return first or tuple(fitting)


def struck(key: str) -> bool:
    """Whether a stroke of the head gives this row by itself; it is then never set in bold."""
    return _STRUCK.fullmatch(key) is not None


def on_axis(row: Row, value: float) -> bool:
    """Whether a value of `row` has a place on an axis from 0 to 100 %."""
    return row.unit == "%" and 0 <= value <= 100


def _values(row: Row) -> Sequence[float]:
    return [value for value in (row.value, row.low, row.high, row.original, row.oracle) if value is not None]


def _heading(row: Row) -> str:
    """Heading of a row: what a method should keep stands together, wherever measured, but for the rounded model."""
    return STAYS if row.aim == "high" and row.measure in _KEPT else _HEADING.get(row.measure, OTHERS)
