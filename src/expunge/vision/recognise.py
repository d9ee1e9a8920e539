"""What a model directory says of itself, before any weights are read."""

import json
from pathlib import Path

from expunge.vision._config import architectures
from expunge.vision.manifest import FILE, SCHEMA

CLASSIFIER = "ForImageClassification"


def is_classifier(folder: Path) -> bool:
    """Whether a directory holds an image classifier.

    It does if `config.json` names an architecture that ends in "ForImageClassification", as those of transformers do,
    or if it was written by `VisionModel.save`. One whose `expunge.json` is damaged counts: loading tells what is wrong.
    """
    try:
        ours = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        ours = {}
    except (OSError, ValueError):
        return True
    written = isinstance(ours, dict) and ours.get("schema") == SCHEMA
    return written or any(name.endswith(CLASSIFIER) for name in architectures(folder))
