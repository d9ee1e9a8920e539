"""Settings that were chosen for each method on validation images, with the same effort for all.

`tuned.json` is written by `scripts/tune.py`, which says how; the benchmark page tells what it tried.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "tuned.json"


@cache
def _all() -> Mapping[str, Mapping[str, object]]:
    return json.loads(FILE.read_text(encoding="utf-8"))["settings"]


def tuned_settings(method: str) -> Mapping[str, object]:
    """What differs from the method's defaults; nothing for anchors and for methods of other packages."""
    return dict(_all().get(method, {}))
