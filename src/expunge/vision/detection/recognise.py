"""Recognition of a detector by what a model directory says of itself."""

from pathlib import Path

from expunge.vision._config import architectures
from expunge.vision.detection.own_weights import read_origin

DETECTOR = "ForObjectDetection"


def holds_detector(folder: Path) -> bool:
    """Whether a directory holds an object detector.

    It does if `config.json` names an architecture that ends in "ForObjectDetection", as transformers' detectors do, or
    if it was written by `DetectionModel.save`.

    Raises:
        CorruptWeightsError: The directory was written by `DetectionModel.save` and is damaged.
    """
    return read_origin(folder) is not None or any(name.endswith(DETECTOR) for name in architectures(folder))
