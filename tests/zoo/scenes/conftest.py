"""What the tests of scenes share: some scenes, and the backbone's first blocks, read once."""

from typing import TYPE_CHECKING

import pytest

from expunge.zoo.scenes import ComposedScene, scenes
from expunge.zoo.scenes.features import backbone

if TYPE_CHECKING:
    from transformers import Dinov2Backbone


@pytest.fixture(scope="session")
def made() -> tuple[ComposedScene, ...]:
    """Scenes of the test split."""
    return tuple(scenes(7, "test", 25))


@pytest.fixture(scope="session")
def first_blocks() -> "Dinov2Backbone":
    """The backbone as far as block 2: for what does not depend on how deep it goes."""
    return backbone((1, 2))
