"""`expunge.Workspace`: requests carried out, released and undone in a few lines of Python."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import expunge
from expunge import workspace
from expunge.errors import FourEyesError, MethodError, WorkspaceError, WorkspaceNotFoundError
from expunge.facade import current_actor
from expunge.ledger import verify
from expunge.lifecycle import certificate_text
from expunge.workspace import State
from tests.lifecycle.conftest import FOUR_EYES, JANE, PAUL
from tests.workspace.tools import assert_sound


def test_a_request_is_run_released_and_undone(place, accepted, toy_data_folder: Path, monkeypatch) -> None:
    request = accepted(place, "amber")
    monkeypatch.setenv("EXPUNGE_ACTOR", "jane")
    with expunge.Workspace.open(str(place.path)) as ws:
        assert isinstance(ws, workspace.Workspace)
        (outcome,) = ws.run(toy_data_folder, method="head-mask", device="cpu")
        assert (outcome.why, outcome.requests[0].state) == ("", State.APPROVED)
        assert ws.run() == []
        done = ws.release(request, device="cpu")
        assert done.request.state == State.RELEASED
        assert expunge.load(done.folder).digest() == done.release.weights_after != place.settings.model.sha256
        assert verify(certificate_text(ws, request)).statement.predicate.request.id == request
        back = ws.rollback(request, "withdrawn", device="cpu")
        assert back.release.weights_after == place.settings.model.sha256
    assert [move.actor for move in place.moves(request) if move.after == State.RELEASED] == ["jane"]
    assert_sound(place)


def test_settings_reach_the_method_and_bad_ones_claim_nothing(place, accepted, toy_data_folder: Path) -> None:
    request = accepted(place, "blue")
    with expunge.Workspace.open(place.path) as ws:
        with pytest.raises(MethodError, match="no setting 'depth'"):
            ws.run(toy_data_folder, method="head-mask", settings={"depth": "fast"})
        assert ws.request(request).state == State.ACCEPTED


def test_whoever_releases_may_be_named(make_place, accepted, toy_data_folder: Path) -> None:
    place = make_place(FOUR_EYES)
    request = accepted(place, "amber")
    with expunge.Workspace.open(place.path) as ws:
        ws.run(toy_data_folder, method="head-mask", device="cpu")
        ws.move(request, State.APPROVED, JANE)
        with pytest.raises(FourEyesError):
            ws.release(request, actor="jane", device="cpu")
        assert ws.release(request, actor=PAUL, device="cpu").request.state == State.RELEASED


def test_nobody_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise OSError

    monkeypatch.delenv("EXPUNGE_ACTOR", raising=False)
    monkeypatch.setattr("getpass.getuser", nobody)
    with pytest.raises(WorkspaceError, match="in Python actor="):
        current_actor()
    assert current_actor("paul") == PAUL


def test_there_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceNotFoundError):
        expunge.Workspace.open(tmp_path)


def test_opening_one_needs_no_torch(place, accepted) -> None:
    accepted(place, "amber")
    code = (
        "import json, sys, expunge\n"
        f"with expunge.Workspace.open({str(place.path)!r}) as ws: states = [one.state for one in ws.requests()]\n"
        "print(json.dumps([states, 'torch' in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [["accepted"], False]
