"""A workspace with a clock that tests can turn."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from expunge.workspace import Original, Workspace
from tests.workspace.tools import CLASSES, JANE, TurnableClock, write_images

# Workspaces need locks, modes and directory descriptors as POSIX has them.
collect_ignore_glob = [] if os.name == "posix" else ["test_*.py"]


@pytest.fixture
def clock() -> TurnableClock:
    return TurnableClock()


@pytest.fixture
def images(tmp_path) -> Path:
    """Three images, as the only target's."""
    return write_images(tmp_path / "images")


@pytest.fixture
def place(tmp_path, clock) -> Iterator[Workspace]:
    model = Original(source="some/model", classes=CLASSES)
    with Workspace.create(tmp_path / "workspace", model, actor=JANE, clock=clock) as workspace:
        yield workspace
