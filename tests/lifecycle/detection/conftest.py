"""A random detector, a few scenes, and workspaces on them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from expunge.lifecycle import RunOptions
from expunge.runs import load
from expunge.workspace import Original, State, Workspace
from tests.lifecycle.conftest import JANE, LENIENT
from tests.lifecycle.detection.scenes_folder import write_scenes
from tests.vision.detection.detectors import KINDS, write

STRICT = LENIENT + '[[rule]]\nkey = "prototype_relearning_1"\nkind = "erasure"\nmin = 101.0\n'


@pytest.fixture(scope="session")
def detector_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny DETR of random weights. Do not write to it."""
    return write(KINDS[0], tmp_path_factory.mktemp("detector") / "detr")


@pytest.fixture(scope="session")
def scenes_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes in COCO's layout. Do not write to it."""
    return write_scenes(tmp_path_factory.mktemp("scenes") / "coco")


@pytest.fixture
def asked(scenes_folder: Path) -> RunOptions:
    """A quick method that keeps the lenient policy."""
    return RunOptions(data=str(scenes_folder), method="head-mask")


@pytest.fixture
def original(detector_folder: Path) -> Original:
    """The model that workspaces are made for."""
    model = load(detector_folder, device="cpu")
    return Original(source=str(detector_folder), sha256=model.digest(), classes=model.classes, task="detection")


@pytest.fixture
def accepted() -> Callable[[Workspace, str], str]:
    """Submits a request for one class and accepts it."""

    def submit(place: Workspace, name: str) -> str:
        request = place.submit([name], None, JANE, subject="4711").id
        place.move(request, State.ACCEPTED, JANE)
        return request

    return submit
