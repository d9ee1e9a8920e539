"""Tells a detector from a classifier by what a model directory says of itself."""

from pathlib import Path

from expunge.vision._config import architectures
from expunge.vision._hub import locate
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
    folder = locate(source)
    return read_origin(folder) is not None or any(name.endswith(ENDING) for name in architectures(folder))
