"""Findings beside strangers made up for tests."""

from typing import Any

from expunge.evidence.strangers.finding import BesideStrangers, StrangersRow

WORDS = {
    "innocent": "not to be told from somebody it never saw",
    "known": "still known: linear probe",
    "hole": "a hole that shows: confidence",
    "too_few": "too few strangers to say (4, 20 needed for one class)",
    "unlike": "nothing to be said: by thumbnails alone these strangers are of another kind than the classes",
    "blind": "nothing to be said: beside these strangers not even the untouched model stands out",
}


def strangers_row(key: str = "linear_probe", **changes: Any) -> StrangersRow:
    """A row of one forgotten class between four strangers."""
    values: dict[str, Any] = {
        "key": key,
        "label": "linear probe",
        "known_side": "above",
        "forgotten": {"amber": 60.0},
        "strangers": (20.0, 40.0, 40.0, 120.0),
        "area": 75.0,
        "known_p": 0.4,
        "hole_p": 0.8,
    }
    return StrangersRow(**(values | changes))


def beside(finding: str = "innocent", *rows: StrangersRow, **changes: Any) -> BesideStrangers:
    """A finding with as many strangers as its rows say."""
    given = rows or (strangers_row(),)
    values: dict[str, Any] = {
        "source": "others/",
        "classes": len(given[0].strangers),
        "images": (10, 5),
        "level": 0.05,
        "known_p": 0.4,
        "hole_p": 0.3,
        "original_known_p": 0.0005,
        "alike_p": 0.5,
        "finding": finding,
        "words": WORDS[finding],
        "rows": given,
    }
    return BesideStrangers(**(values | changes))
