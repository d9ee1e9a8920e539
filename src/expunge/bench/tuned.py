"""Settings that were chosen for each method on validation data, with the same effort for all.

`scripts/tune.py` and `scripts/tune_detectors.py` write the files and say how; the benchmark page tells what they tried.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

CLASSIFIERS = Path(__file__).parent / "tuned.json"
DETECTORS = Path(__file__).parent / "scenes" / "tuned.json"


@cache
def _all(file: Path) -> Mapping[str, Mapping[str, object]]:
    return json.loads(file.read_text(encoding="utf-8"))["settings"]


def tuned_settings(method: str, file: Path = CLASSIFIERS) -> Mapping[str, object]:
    """What differs from the method's defaults; nothing for anchors and for methods of other packages."""
    return dict(_all(file).get(method, {}))
