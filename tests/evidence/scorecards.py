"""Scorecards made up for tests."""

from typing import Any

from expunge.evidence.scorecard import ModelName, Row, Scorecard


def row(key: str, value: float, **changes: Any) -> Row:
    """A row in percent with 100 images; an oracle gives it its gap."""
    values: dict[str, Any] = {"label": key, "measure": "forgetting", "unit": "%", "aim": "low", "n": 100} | changes
    if values.get("oracle") is not None:
        values["gap"] = value - values["oracle"]
    return Row(key=key, value=value, **values)


def card(*rows: Row, oracle: bool = False, **changes: Any) -> Scorecard:
    """A scorecard of amber forgotten out of four classes."""
    name = ModelName(name="toy", sha256="0" * 64)
    values: dict[str, Any] = {
        "edited": name,
        "original": name,
        "oracles": (name,) if oracle else (),
        "data": "stripes",
        "classes": ("amber", "blue", "coral", "dune"),
        "forgotten": ("amber",),
        "images": (10, 20),
        "seed": 0,
        "rows": rows,
    }
    return Scorecard(**(values | changes))
