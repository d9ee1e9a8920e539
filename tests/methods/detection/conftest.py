import pytest

from expunge.vision.detection import DetectionModel
from tests.methods.detection.little import little_model


@pytest.fixture(scope="session")
def two_stage() -> DetectionModel:
    """Sigmoids, and queries chosen by content. Shared: methods must leave it as they found it."""
    return little_model("deformable-two-stage")


@pytest.fixture(scope="session")
def plain() -> DetectionModel:
    """A softmax, and learned queries."""
    return little_model("detr")
