"""A workspace keeps the task it was made with: its models are loaded as nothing else, whatever they look like since."""

from pathlib import Path

import pytest

from expunge.cli.app import run
from expunge.errors import AmbiguousTaskError
from expunge.lifecycle import certificate_text, release, rollback
from expunge.runs import load
from expunge.tasks.embedding import Embedding
from tests.lifecycle.conftest import JANE


def test_nobody_is_asked_again(place, approved, toy_model_folder: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(Embedding, "recognises", lambda task, folder: True)
    with pytest.raises(AmbiguousTaskError):
        load(toy_model_folder)
    request = approved(place, "amber")
    done = release(place, request, JANE)
    (tmp_path / "certificate.json").write_text(certificate_text(place, request))
    assert run(["verify", str(tmp_path / "certificate.json"), "--model", str(done.folder)]) == 0
    assert "are those of model-after" in " ".join(capsys.readouterr().out.split())
    assert rollback(place, request, JANE, "withdrawn").release.weights_after == place.settings.model.sha256


def test_a_model_of_another_task_is_not_that_of_a_certificate(
    place, approved, tmp_path: Path, monkeypatch, capsys
) -> None:
    request = approved(place, "amber")
    done = release(place, request, JANE)
    (tmp_path / "certificate.json").write_text(certificate_text(place, request))
    monkeypatch.setattr("expunge.tasks.classification.Classification.recognises", lambda task, folder: False)
    monkeypatch.setattr(Embedding, "recognises", lambda task, folder: True)
    assert run(["verify", str(tmp_path / "certificate.json"), "--model", str(done.folder)]) == 2
    assert "is an embedder" in " ".join(capsys.readouterr().err.split())
