"""Several processes on one workspace."""

import os
import traceback
import warnings
from collections import Counter
from collections.abc import Callable

import pytest

from expunge.workspace import Runner, State, Workspace
from tests.workspace.tools import JANE, assert_sound


def at_once(processes: int, work: Callable[[int], None]) -> None:
    children = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(processes):
            child = os.fork()
            if child == 0:
                try:
                    work(number)
                    os._exit(0)
                except BaseException:
                    traceback.print_exc()
                    os._exit(1)
            children.append(child)
    assert [os.WEXITSTATUS(os.waitpid(child, 0)[1]) for child in children] == [0] * processes


@pytest.mark.parametrize("each", [15, pytest.param(50, marks=pytest.mark.slow)])
def test_four_processes_submit_at_once(place, images, each) -> None:
    def submit(number: int) -> None:
        with Workspace.open(place.path) as mine:
            for count in range(each):
                mine.submit(["amber"], images, JANE, token=f"{number}/{count}")

    at_once(4, submit)
    assert len(place.requests()) == 4 * each
    # Key, policy and settings; then a move, the digest of its images and one of what is asked for, each.
    assert place.ledger().size == 3 + 4 * each * 3
    assert_sound(place)


def test_no_request_is_run_twice(place, images, tmp_path) -> None:
    for _ in range(12):
        request = place.submit(["amber"], images, JANE)
        place.move(request.id, State.ACCEPTED, JANE)
    notes = tmp_path / "notes"
    notes.touch()

    def run(number: int) -> None:
        with Workspace.open(place.path) as mine, Runner(mine) as runner:
            while plan := runner.claim_next(most=2):
                runner.move(plan, State.RUNNING)
                with notes.open("a") as file:
                    file.write("".join(f"{request}\n" for request in plan.requests))
                runner.move(plan, State.MEASURED)
                runner.finish(plan)

    at_once(3, run)
    ran = Counter(notes.read_text().split())
    assert len(ran) == 12
    assert set(ran.values()) == {1}
    assert {request.state for request in place.requests()} == {State.MEASURED}
    assert_sound(place)


@pytest.mark.slow
def test_a_thousand_submissions(place, images) -> None:
    for number in range(1000):
        place.submit(["amber"], images, JANE, subject=f"person {number}")
    assert len({request.id for request in place.requests()}) == 1000
    assert_sound(place)
