"""Killed at every effect, with and without a loss of power: nothing is lost, doubled, or believed half-written."""

import shutil
from pathlib import Path

import pytest

from expunge.errors import WorkspaceNotFoundError
from expunge.workspace import Original, Runner, State, Workspace
from tests.workspace.dying import fresh_copy, survives
from tests.workspace.tools import CLASSES, JANE, PAUL, assert_sound, to_measured, write_images

EDIT = b"weights" * 1000
MOST_EFFECTS = 400


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """A closed workspace with one request that was received and its images."""
    root = tmp_path_factory.mktemp("crash")
    write_images(root / "images", count=2)
    with Workspace.create(root / "workspace", Original(source="m", classes=CLASSES), actor=JANE) as place:
        place.submit(["amber"], root / "images", JANE, token="first")
    return root


# Some effects, every other one with a loss of power, in the quick suite; all of them with and without in the slow one.
thoroughly = pytest.mark.parametrize("all_effects", [False, pytest.param(True, marks=pytest.mark.slow)])


def kill_everywhere(operation, prepare, check, *, all_effects: bool) -> int:
    """Kills `operation` at one effect after the other up to its end; the number of its effects."""
    survived = False
    for effect in range(0, MOST_EFFECTS, 1 if all_effects else 4):
        for power in (False, True) if all_effects else (effect % 8 == 0,):
            prepare()
            survived = survives(operation, effect, power=power)
            check()
        if survived:
            return effect
    raise AssertionError(f"more than {MOST_EFFECTS} effects")


@thoroughly
def test_a_submission(prepared, tmp_path, all_effects) -> None:
    copy = tmp_path / "workspace"

    def submit() -> None:
        with Workspace.open(copy) as place:
            place.submit(["blue"], prepared / "images", JANE, token="second")

    def check() -> None:
        with Workspace.open(copy) as place:
            assert_sound(place)
            assert len(place.requests()) in (1, 2)
        submit()  # whoever got no answer asks again
        with Workspace.open(copy) as place:
            assert_sound(place)
            assert sorted(request.targets for request in place.requests()) == [("amber",), ("blue",)]

    assert (
        kill_everywhere(submit, lambda: fresh_copy(prepared / "workspace", copy), check, all_effects=all_effects) > 30
    )


@thoroughly
def test_a_run(prepared, tmp_path, all_effects) -> None:
    copy, start = tmp_path / "workspace", fresh_copy(prepared / "workspace", tmp_path / "start")
    with Workspace.open(start) as place:
        (request,) = place.requests()
        place.move(request.id, State.ACCEPTED, JANE)

    def run() -> None:
        with Workspace.open(copy) as place, Runner(place) as runner:
            plan = runner.claim_next()
            if plan is not None:
                if place.request(request.id).state == State.PLANNED:
                    runner.move(plan, State.RUNNING)
                if place.request(request.id).state == State.RUNNING:
                    runner.record_artefact(plan, "edit", EDIT)
                    runner.move(plan, State.MEASURED)
                runner.finish(plan)

    def check() -> None:
        with Workspace.open(copy) as place:
            assert_sound(place)
            for artefact in place.artefact_records(request.id)[2:]:
                assert place.artefacts.read(artefact.sha256) == EDIT
        run()
        with Workspace.open(copy) as place, Runner(place) as runner:
            assert_sound(place)
            assert place.request(request.id).state == State.MEASURED
            assert place.artefact_records(request.id)[-1].role == "edit"
            assert runner.claim_next() is None
            assert [move.after for move in place.moves(request.id)].count("measured") == 1

    assert kill_everywhere(run, lambda: fresh_copy(start, copy), check, all_effects=all_effects) > 30


@thoroughly
def test_a_release_and_the_destruction_of_images(prepared, tmp_path, all_effects) -> None:
    copy, start = tmp_path / "workspace", fresh_copy(prepared / "workspace", tmp_path / "start")
    with Workspace.open(start) as place:
        (request,) = place.requests()
        to_measured(place, request.id)
        place.move(request.id, State.APPROVED, JANE)

    def release() -> None:
        with Workspace.open(copy) as place:
            if place.request(request.id).state == State.APPROVED:
                place.move(request.id, State.RELEASED, PAUL)
            for due in place.destroyable():
                place.destroy_images(due.id, PAUL)

    def check() -> None:
        with Workspace.open(copy) as place:
            assert place.request(request.id).state in (State.APPROVED, State.RELEASED)
            if place.request(request.id).state == State.APPROVED:
                assert_sound(place)
        release()
        with Workspace.open(copy) as place:
            assert_sound(place)
            assert place.request(request.id).destroyed
            assert [move.after for move in place.moves(request.id)].count("released") == 1

    assert kill_everywhere(release, lambda: fresh_copy(start, copy), check, all_effects=all_effects) > 15


@thoroughly
def test_making_a_workspace(tmp_path, all_effects) -> None:
    """A folder is a whole workspace or none, and says so."""
    path = tmp_path / "w"

    def check() -> None:
        try:
            place = Workspace.open(path)
        except WorkspaceNotFoundError:
            return
        with place:
            assert_sound(place)
            assert place.ledger().size == 3

    def create() -> None:
        Workspace.create(path, "m", actor=JANE)

    assert kill_everywhere(create, lambda: shutil.rmtree(path, ignore_errors=True), check, all_effects=all_effects) > 30
    with Workspace.open(path) as place:
        assert place.settings.model.source == "m"
