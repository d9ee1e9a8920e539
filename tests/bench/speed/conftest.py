import pytest
import torch

from expunge.bench.speed._setup import SpeedSetup
from expunge.bench.speed._vit import TINY, random_images, random_vit


@pytest.fixture
def model():
    return random_vit(TINY, 6)


@pytest.fixture
def scene(model) -> SpeedSetup:
    """Three images of the class that goes, seven of two others."""
    return SpeedSetup(model, random_images(TINY, 6, {0: 3, 1: 5, 4: 2}), TINY.width)


@pytest.fixture
def cpu() -> torch.device:
    return torch.device("cpu")
