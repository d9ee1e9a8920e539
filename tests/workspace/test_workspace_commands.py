"""The commands on a workspace, from taking a request in to refusing it."""

import json
from pathlib import Path

import pytest
import typer
from typer.exceptions import TyperException

from expunge.cli._decide import approve, hold, reject, unhold
from expunge.cli._init import init
from expunge.cli._status import list_, show, status
from expunge.cli._submit import submit
from expunge.errors import IntakeError, RequestError, UnknownClassError, UnlawfulMoveError, WorkspaceNotFoundError
from expunge.workspace import State, Workspace
from tests.workspace.tools import PAUL, assert_sound, to_measured, write_images


@pytest.fixture
def call(capsys):
    """Runs one command and returns its exit code and what it printed."""
    app = typer.Typer(pretty_exceptions_enable=False)
    for command in (init, submit, approve, reject, hold, unhold, show, status):
        app.command()(command)
    app.command("list")(list_)

    def run(*arguments: object) -> tuple[int, str]:
        capsys.readouterr()
        code = app(args=[str(argument) for argument in arguments], standalone_mode=False)
        return code or 0, capsys.readouterr().out

    return run


@pytest.fixture(autouse=True)
def _inside(place, monkeypatch) -> None:
    monkeypatch.chdir(place.path / "artefacts")
    monkeypatch.setenv("EXPUNGE_ACTOR", "jane")


def submitted(call, images, *more: str) -> str:
    return call("submit", "--target", "amber", "--images", images, *more)[1].strip()


def test_from_init_to_a_listing(call, toy_model_folder, tmp_path) -> None:
    path, images = tmp_path / "new", tmp_path / "photos"
    write_images(images)
    code, text = call("init", path, "--model", toy_model_folder)
    assert code == 0
    assert "expunge.local/" in text
    request = submitted(
        call, images, "--workspace", path, "--reason", "asked", "--subject", "4711", "--due", "2026-05-01"
    )
    (listed,) = json.loads(call("list", "--json", "--workspace", path)[1])
    assert (listed["id"], listed["state"], listed["targets"], listed["due"]) == (
        request,
        "received",
        ["amber"],
        "2026-05-01",
    )
    with Workspace.open(path) as place:
        assert "fern" in place.settings.model.classes
        assert place.settings.model.sha256
        assert place.settings.model.source == str(toy_model_folder)
        assert [record.role for record in place.artefact_records(None)] == ["model", "settings-facts"]
    with pytest.raises(UnknownClassError):
        call("submit", "--target", "ambre", "--images", images, "--workspace", path)


def test_approve_means_accept_first_and_release_ready_later(call, place, images) -> None:
    request = submitted(call, images)
    assert call("approve", request) == (0, f"{request}: accepted\n")
    with pytest.raises(UnlawfulMoveError, match="Possible"):
        call("approve", request)
    place.move(request, State.REFUSED, PAUL, "x")
    other = submitted(call, images)
    to_measured(place, other)
    assert call("approve", other, "--as", "paul", "--why", "looks right") == (0, f"{other}: approved\n")
    shown = json.loads(call("show", other, "--json")[1])
    assert shown["approved_by"] == "paul"
    assert shown["moves"][-1]["reason"] == "looks right"
    assert {way["state"] for way in shown["possible"]} == {"released", "refused", "on_hold"}


def test_reject_destroys_the_images_unless_they_are_held(call, place, images) -> None:
    request, kept = submitted(call, images), submitted(call, images)
    with pytest.raises(TyperException, match="why"):
        call("reject", request)
    assert call("reject", request, "--why", "nobody we know") == (0, f"{request}: refused\n")
    call("hold", kept, "--legal")
    call("reject", kept, "--why", "nobody we know")
    assert place.request(request).destroyed
    assert not place.request(kept).destroyed
    assert_sound(place)
    assert "images destroyed" in call("show", request)[1]


def test_hold_and_unhold(call, place, images) -> None:
    request = submitted(call, images)
    call("hold", request, "--why", "who is it?")
    assert place.request(request).state == State.ON_HOLD
    with pytest.raises(UnlawfulMoveError, match="unhold"):
        call("approve", request)
    assert call("unhold", request) == (0, f"{request}: received\n")
    with pytest.raises(UnlawfulMoveError, match="not on hold"):
        call("unhold", request)
    call("hold")
    assert place.on_hold()
    assert "on hold" in call("status")[1]
    call("unhold")
    assert not place.on_hold()


def test_status_check_fails_when_a_time_limit_has_passed(call, images) -> None:
    assert call("status", "--check")[0] == 0
    request = submitted(call, images, "--due", "2020-02-29")
    assert call("status")[0] == 0
    code, text = call("status", "--check")
    assert code == 3
    assert f"overdue: {request}" in text
    (owed,) = json.loads(call("status", "--json")[1])
    assert owed["overdue"] is True
    assert "overdue" in call("list")[1]
    call("reject", request, "--why", "settled")
    assert call("status", "--check")[0] == 0
    assert json.loads(call("status", "--json")[1]) == []


def test_status_check_notices_altered_rows(call, place, images) -> None:
    submitted(call, images)
    place._database._connection.execute("UPDATE request SET state = 'refused'")
    assert call("status")[0] == 0
    assert call("status", "--check")[0] == 4


@pytest.mark.parametrize("due", ["tomorrow", "2026-02-30", "20260228", "28.2.2026"])
def test_a_due_date_is_a_day(call, images, due) -> None:
    with pytest.raises(RequestError, match="2026-03-31"):
        submitted(call, images, "--due", due)


def test_bad_input(call, place, images, tmp_path, monkeypatch) -> None:
    with pytest.raises(IntakeError):
        call("submit", "--target", "amber", "--images", tmp_path / "nowhere")
    with pytest.raises(RequestError):
        call("submit", "--target", "amber,", "--images", images)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WorkspaceNotFoundError, match="--workspace"):
        call("list")
    assert call("list", "--json", "--workspace", place.path) == (0, "[]\n")


def test_names_are_shown_as_they_are(call, tmp_path, images) -> None:
    """Square brackets mean a style to rich; here they are just part of a name."""
    with Workspace.create(tmp_path / "open", "m", actor=PAUL) as place:
        place.submit(["[red]x[/]"], Path(images), PAUL, reason="[bold]why[/]")
        (request,) = place.requests()
    assert "[red]x[/]" in call("list", "--workspace", tmp_path / "open")[1]
    assert "[bold]why[/]" in call("show", request.id, "--workspace", tmp_path / "open")[1]
