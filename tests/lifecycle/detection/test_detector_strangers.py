"""Strangers in a detector's workspace: scenes that stay where they are, and a digest that says whether they changed."""

from pathlib import Path

import pytest

from expunge.errors import DamagedWorkspaceError, EvidenceError
from expunge.ledger import verify
from expunge.lifecycle import certificate_text, release, run_waiting
from expunge.lifecycle.applied import pristine
from expunge.lifecycle.strangers import keep_strangers, prepare_strangers, workspace_strangers
from expunge.vision.detection import DetectionModel
from expunge.workspace.strangers import kept_strangers
from tests.lifecycle.detection.conftest import JANE
from tests.lifecycle.detection.scenes_folder import write_scenes
from tests.vision.detection.detectors import SIDE, picture


def bring(place, source: Path) -> None:
    model = pristine(place)
    assert isinstance(model, DetectionModel)
    keep_strangers(place, prepare_strangers(model, str(source)), JANE)


def test_objects_of_no_class_stand_beside_the_forgotten_one(place, accepted, asked, tmp_path) -> None:
    """Three classes with three boxes in each part; the certificate says so, and that they are too few."""
    bring(place, write_scenes(tmp_path / "strangers", classes=("wasp", "moth", "gnat")))
    _, record = kept_strangers(place) or pytest.fail("nothing kept")
    assert record.classes == ("wasp", "moth", "gnat")
    assert (record.entry, record.source) == (None, str(tmp_path / "strangers"))
    request = accepted(place, "bee")
    (outcome,) = run_waiting(place, asked)
    assert outcome.judged is not None, outcome.why
    release(place, request, JANE)
    said = verify(certificate_text(place, request)).statement.predicate.strangers
    assert said is not None
    assert (said.count, said.finding, said.sha256) == (3, "too_few", record.sha256)
    assert said.words == "too few strangers to say (3, 20 needed for one class)"


def test_scenes_that_changed_are_refused(place, tmp_path) -> None:
    folder = write_scenes(tmp_path / "strangers", classes=("wasp", "moth", "gnat"))
    bring(place, folder)
    assert workspace_strangers(place) is not None
    image = folder / "test" / "0.png"
    picture(SIDE, SIDE, seed=4_711).save(image)
    with pytest.raises(DamagedWorkspaceError, match="others than those that were kept"):
        workspace_strangers(place)


def test_scenes_without_a_stranger_are_refused(place, scenes_folder) -> None:
    with pytest.raises(EvidenceError, match=r"never saw, but 'ant' is one of its classes\. Add"):
        bring(place, scenes_folder)
    assert kept_strangers(place) is None
