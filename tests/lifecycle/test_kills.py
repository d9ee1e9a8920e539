"""Killed at every boundary of a run, a release and a rollback: whoever goes on loses nothing and doubles nothing."""

import os
import shutil
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from expunge.ledger import verify
from expunge.lifecycle import RunOptions, certificate_text, history, release, rollback, run_waiting
from expunge.lifecycle._recovery import recover, releases_of, served
from expunge.lifecycle.applied import applied_edits
from expunge.lifecycle.watch import catch_up
from expunge.runs import load
from expunge.workspace import Original, State, Workspace
from tests.lifecycle.conftest import JANE, LENIENT
from tests.workspace.dying import fresh_copy, survives
from tests.workspace.tools import assert_sound

RELEASE = ("judged", "published", "recorded", "served", "destroyed", "watched")
Reached = Callable[[str], None]


def boundaries(quick: str, slow: str):
    """Some boundaries for the quick suite, the rest for the slow one."""
    also = [pytest.param(one, marks=pytest.mark.slow) for one in slow.split(", ")]
    return pytest.mark.parametrize("boundary", [*quick.split(", "), *also])


def killed(operation: Callable[[Reached], object], at: str) -> None:
    """Runs something in a process of its own, which is killed once it has reached a boundary."""

    def die(boundary: str) -> None:
        if boundary == at:
            os.kill(os.getpid(), signal.SIGKILL)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        try:
            operation(die)
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"never reached {at!r}"
    assert os.WTERMSIG(status) == signal.SIGKILL


def states(place: Workspace, request: str) -> list[str]:
    return [move.after for move in place.moves(request)]


def count(place: Workspace, request: str, role: str) -> int:
    return sum(row.role == role for row in place.artefact_records(request))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, toy_model_folder, toy_data_folder) -> dict[str, Path]:
    """Closed workspaces with one request that is accepted, approved or released, under the names of these states."""
    root = tmp_path_factory.mktemp("prepared")
    (root / "policy.toml").write_text(LENIENT)
    model = load(toy_model_folder, device="cpu")
    original = Original(source=str(toy_model_folder), sha256=model.digest(), classes=model.classes)
    with Workspace.create(root / "accepted", original, policy=root / "policy.toml", actor=JANE) as place:
        request = place.submit(["amber"], toy_data_folder / "train" / "amber", JANE).id
        place.move(request, State.ACCEPTED, JANE)
    shutil.copytree(root / "accepted", root / "approved")
    with Workspace.open(root / "approved") as place:
        run_waiting(place, RunOptions(str(toy_data_folder), "head-mask"))
    shutil.copytree(root / "approved", root / "released")
    with Workspace.open(root / "released") as place:
        release(place, request, JANE)
    return {state: root / state for state in ("accepted", "approved", "released")}


@pytest.fixture
def copy_of(prepared, tmp_path) -> Callable[[str], tuple[Path, str]]:
    """A fresh copy of a prepared workspace, in place of an earlier one, and the ID of its request."""

    def make(state: str) -> tuple[Path, str]:
        path = fresh_copy(prepared[state], tmp_path / "workspace")
        with Workspace.open(path) as place:
            return path, place.requests()[0].id

    return make


@boundaries("edit stored, attempt recorded, judged, measured", "claimed, running, scorecard stored, approved")
def test_a_run(copy_of, asked, boundary) -> None:
    path, request = copy_of("accepted")

    def run(reached: Reached = lambda step: None) -> None:
        with Workspace.open(path) as place:
            run_waiting(place, asked, reached=reached)

    killed(run, boundary)
    run()
    with Workspace.open(path) as place:
        assert_sound(place)
        assert place.request(request).state == State.APPROVED
        assert states(place, request).count("approved") == 1
        assert states(place, request).count("measured") == 1
        for role in ("edit", "attempt", "scorecard", "judged"):
            # What is made anew has the same bytes, and so is the same artefact.
            assert count(place, request, role) == 1
        (edit,) = applied_edits(place, offered=True)
        assert edit.requests == (request,)
    run()
    with Workspace.open(path) as place:
        assert states(place, request).count("approved") == 1


@boundaries("published, recorded", "judged, served, destroyed, watched")
def test_a_release(copy_of, boundary) -> None:
    path, request = copy_of("approved")

    def go(reached: Reached = lambda step: None) -> None:
        with Workspace.open(path) as place:
            release(place, request, JANE, reached=reached)

    killed(go, boundary)
    with Workspace.open(path) as place:
        before = place.request(request).state
        assert (before == State.RELEASED) == (RELEASE.index(boundary) >= RELEASE.index("recorded"))
        recover(place)  # what every command that changes something does first
        now = releases_of(place).current()
        assert now is None or (now.weights_after == place.settings.model.sha256) == (before == State.APPROVED)
    go()
    with Workspace.open(path) as place:
        assert_sound(place)
        assert releases_of(place).numbers() == (1, 2)
        assert states(place, request).count("released") == 1
        assert place.request(request).destroyed
        assert [count(place, request, role) for role in ("model", "certificate", "watch")] == [1, 1, 1]
        after = verify(certificate_text(place, request)).statement.digest_of("model-after")
        assert releases_of(place).load().digest() == after


@boundaries("published, recorded", "served, watched")
def test_a_rollback(copy_of, boundary) -> None:
    path, request = copy_of("released")

    def back(reached: Reached = lambda step: None) -> None:
        with Workspace.open(path) as place:
            rollback(place, request, JANE, "withdrawn", reached=reached)

    killed(back, boundary)
    with Workspace.open(path) as place:
        state = place.request(request).state
        assert (state == State.ROLLED_BACK) == (boundary != "published")
        recover(place)
    if state == State.RELEASED:
        back()
    with Workspace.open(path) as place:
        assert_sound(place)
        assert releases_of(place).load().digest() == place.settings.model.sha256
        assert releases_of(place).numbers() == (1, 2)
        catch_up(place)
        assert [point.edits for point in history(place)] == [1, 0]


@pytest.mark.slow
@pytest.mark.parametrize("every", [11])
def test_a_run_killed_at_system_calls(copy_of, asked, every) -> None:
    path, request = copy_of("accepted")

    def go() -> None:
        with Workspace.open(path) as place:
            run_waiting(place, asked)

    effect, done = 0, False
    while not done:
        copy_of("accepted")
        done = survives(go, effect, power=bool(effect // every % 2))
        go()
        with Workspace.open(path) as place:
            assert_sound(place)
            assert states(place, request).count("approved") == 1
            assert count(place, request, "attempt") == 1
            assert applied_edits(place, offered=True)[0].requests == (request,)
        effect += every


@pytest.mark.parametrize("every", [90, pytest.param(7, marks=pytest.mark.slow)])
def test_a_release_killed_at_system_calls(copy_of, every) -> None:
    path, request = copy_of("approved")

    def go() -> None:
        with Workspace.open(path) as place:
            release(place, request, JANE)

    effect, done = 0, False
    while not done:
        copy_of("approved")
        done = survives(go, effect, power=bool(effect // every % 2))
        go()
        with Workspace.open(path) as place:
            assert_sound(place)
            assert states(place, request).count("released") == 1
            assert place.request(request).destroyed
            assert verify(certificate_text(place, request))
            assert releases_of(place).load().digest() == served(place)
        effect += every


def test_two_runners_never_take_one_request(copy_of, asked) -> None:
    path, request = copy_of("accepted")

    def meanwhile(step: str) -> None:
        if step == "running":
            with Workspace.open(path) as other:
                assert run_waiting(other, asked) == []

    with Workspace.open(path) as place:
        run_waiting(place, asked, reached=meanwhile)
        assert states(place, request).count("running") == 1
