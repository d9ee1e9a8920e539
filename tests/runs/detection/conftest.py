"""A tiny random detector and scenes for it, on the disk."""

from pathlib import Path

import pytest

from expunge.runs import load
from expunge.vision.detection import DetectionModel
from tests.runs.detection.coco_folder import write_coco_folder
from tests.vision.detection.detectors import KINDS, write


@pytest.fixture(scope="session")
def detector_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Conditional DETR of random weights, whose queries say a class with a sigmoid each. Do not write to it."""
    kind = next(kind for kind in KINDS if kind.name == "conditional")
    return write(kind, tmp_path_factory.mktemp("detector") / "detector")


@pytest.fixture(scope="session")
def scenes_folder(detector_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes in COCO's layout. Do not write to them."""
    model = load(detector_folder, device="cpu")
    assert isinstance(model, DetectionModel)
    return write_coco_folder(tmp_path_factory.mktemp("coco") / "scenes", model)
