"""Recognition of a model directory by what it says of itself, before any weights are read."""

import json
from pathlib import Path

from expunge.vision._config import architectures, problem_type
from expunge.vision._manifest import FILE, SCHEMA

CLASSIFIER, MULTI_LABEL = "ForImageClassification", "multi_label_classification"


def is_classifier(folder: Path) -> bool:
    """Whether a directory holds an image classifier.

    It does if `config.json` names an architecture that ends in "ForImageClassification", as those of transformers do,
    or if it was written by `VisionModel.save`. One whose `expunge.json` is damaged counts: loading tells what is wrong.
    One that says that its labels do not exclude each other does another task.
    """
    try:
        ours = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        ours = {}
    except (OSError, ValueError):
        return True
    written = isinstance(ours, dict) and ours.get("schema") == SCHEMA
    whole = any(name.endswith(CLASSIFIER) for name in architectures(folder))
    return written or (whole and problem_type(folder) != MULTI_LABEL)
