"""Settings that were chosen for each method on validation data, with the same effort for all.

`scripts/tune.py` and `scripts/tune_detectors.py` write the files and say how; every trial is kept in them.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

SMALL = Path(__file__).parent / "small.json"
"""For small transformers trained from scratch, and suites that say nothing else."""

FACES = Path(__file__).parent / "faces.json"
"""For a fine-tuned foundation model, which takes smaller steps."""

DETECTORS = Path(__file__).parent / "scenes.json"


@cache
def _all(file: Path) -> Mapping[str, Mapping[str, object]]:
    return json.loads(file.read_text(encoding="utf-8"))["settings"]


def tuned_settings(method: str, file: Path = SMALL) -> Mapping[str, object]:
    """Settings that differ from the method's defaults; none for anchors and for methods of other packages."""
    return dict(_all(file).get(method, {}))
