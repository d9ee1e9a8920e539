"""Tells a detector from a classifier by what a model directory says of itself."""

import json
from pathlib import Path

from expunge.errors import ModelNotFoundError
from expunge.vision._hub import fetch
from expunge.vision.detection.own_weights import read_origin

ENDING = "ForObjectDetection"


def holds_detector(source: str | Path) -> bool:
    """Whether a directory, or a model of the Hugging Face Hub, is an object detector.

    It is one if `config.json` names an architecture that ends in "ForObjectDetection", as transformers' detectors do,
    or if it was written by `DetectionModel.save`. A model of the Hub is fetched for that.

    Raises:
        ModelNotFoundError: Nothing answers to `source`.
        UnsafeWeightsError: The Hub's model has no safetensors.
        CorruptWeightsError: The directory was written by `DetectionModel.save` and is damaged.
    """
    folder = Path(source)
    if not folder.is_dir():
        if isinstance(source, Path):
            raise ModelNotFoundError(f"There is no directory {source}. Expected one that save_pretrained wrote.")
        folder = fetch(source)
    return read_origin(folder) is not None or any(name.endswith(ENDING) for name in _architectures(folder))


def _architectures(folder: Path) -> list[str]:
    """What `config.json` names; nothing where it cannot be read, which loading will tell."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    names = config.get("architectures") if isinstance(config, dict) else None
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
