"""The state machine, held against a list that was written down by hand from the description of a request's life."""

from dataclasses import replace
from datetime import date
from itertools import product

import pytest

from expunge.errors import FourEyesError, UnlawfulMoveError, WorkspaceError
from expunge.workspace import Actor, Request, Role, State, possible
from expunge.workspace.clock import one_month_after
from expunge.workspace.states import moved

LAWFUL = """
received accepted person policy
received refused person
received on_hold person
accepted planned runner
accepted refused person
accepted on_hold person
planned running runner
planned accepted runner
planned failed runner
running measured runner
running planned runner
running failed runner
measured running runner
measured accepted person
measured approved person policy
measured refused person
measured on_hold person
approved released person
approved refused person
approved on_hold person
released rolled_back person
failed accepted person
failed refused person
failed on_hold person
"""
TABLE = {(before, after): roles for before, after, *roles in map(str.split, LAWFUL.strip().splitlines())}
REQUEST = Request(
    "r-1", State.RECEIVED, ("amber",), "2026-01-31T09:00:00.000000Z", date(2026, 2, 28), None, 3, "0" * 64
)


@pytest.mark.parametrize("before", [state for state in State if state != State.ON_HOLD])
def test_exactly_the_lawful_moves_are_made(before) -> None:
    request = replace(REQUEST, state=before)
    for after, role in product(State, Role):
        if role in TABLE.get((before.value, after.value), ()):
            assert moved(request, after, Actor("x", role), "why", four_eyes=False).state == after
        else:
            with pytest.raises(UnlawfulMoveError):
                moved(request, after, Actor("x", role), "why", four_eyes=False)


@pytest.mark.parametrize("before", ["received", "accepted", "measured", "approved", "failed"])
def test_a_hold_leads_back_to_where_it_was_and_nowhere_else(before) -> None:
    request = replace(REQUEST, state=State(before), approved_by="jane")
    held = moved(request, State.ON_HOLD, Actor("jane"), four_eyes=False)
    assert held.held_from == before
    assert [move.after for move in possible(held)] == [before]
    assert moved(held, State(before), Actor("jane"), four_eyes=False) == request


@pytest.mark.parametrize("before", ["released", "refused", "rolled_back", "planned", "running"])
def test_what_is_settled_or_with_a_runner_cannot_be_held(before) -> None:
    with pytest.raises(UnlawfulMoveError, match="Possible"):
        moved(replace(REQUEST, state=State(before)), State.ON_HOLD, Actor("jane"), four_eyes=False)


def test_an_unlawful_move_says_what_is_possible() -> None:
    with pytest.raises(UnlawfulMoveError) as caught:
        moved(REQUEST, State.RELEASED, Actor("jane"), four_eyes=False)
    assert str(caught.value) == (
        "Request r-1 is received and cannot become released. Possible: accepted (by a person or policy), "
        "refused (by a person), on_hold (by a person)."
    )
    with pytest.raises(UnlawfulMoveError, match="can be made accepted by a person or policy, and robot is a runner"):
        moved(REQUEST, State.ACCEPTED, Actor("robot", Role.RUNNER), four_eyes=False)


@pytest.mark.parametrize("reason", [None, "", "  "])
@pytest.mark.parametrize(("before", "after"), [("received", "refused"), ("released", "rolled_back")])
def test_refusing_and_rolling_back_need_a_reason(before, after, reason) -> None:
    with pytest.raises(UnlawfulMoveError, match="--why"):
        moved(replace(REQUEST, state=State(before)), State(after), Actor("jane"), reason, four_eyes=False)


def test_four_eyes() -> None:
    measured = replace(REQUEST, state=State.MEASURED)
    with pytest.raises(FourEyesError, match="a person must approve"):
        moved(measured, State.APPROVED, Actor("policy", Role.POLICY), four_eyes=True)
    approved = moved(measured, State.APPROVED, Actor("Jane"), four_eyes=True)
    for same in ("Jane", " jane ", "JANE"):
        with pytest.raises(FourEyesError, match="another person"):
            moved(approved, State.RELEASED, Actor(same), four_eyes=True)
    assert moved(approved, State.RELEASED, Actor("paul"), four_eyes=True).state == "released"
    assert moved(approved, State.RELEASED, Actor("Jane"), four_eyes=False).state == "released"


def test_a_hold_is_no_way_around_four_eyes() -> None:
    approved = moved(replace(REQUEST, state=State.MEASURED), State.APPROVED, Actor("jane"), four_eyes=True)
    held = moved(approved, State.ON_HOLD, Actor("jane"), four_eyes=True)
    again = moved(held, State.APPROVED, Actor("paul"), four_eyes=True)
    with pytest.raises(FourEyesError):
        moved(again, State.RELEASED, Actor("jane"), four_eyes=True)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 201])
def test_an_actor_has_a_name(name) -> None:
    with pytest.raises(WorkspaceError, match="--as"):
        Actor(name)


@pytest.mark.parametrize(
    ("day", "due"),
    [
        ("2026-01-31", "2026-02-28"),
        ("2028-01-30", "2028-02-29"),
        ("2026-12-15", "2027-01-15"),
        ("2026-03-31", "2026-04-30"),
    ],
)
def test_one_month_after(day, due) -> None:
    assert one_month_after(date.fromisoformat(day)) == date.fromisoformat(due)


def test_overdue_begins_the_day_after_and_ends_when_settled() -> None:
    assert not REQUEST.is_overdue(date(2026, 2, 28))
    assert REQUEST.is_overdue(date(2026, 3, 1))
    assert replace(REQUEST, state=State.ON_HOLD).is_overdue(date(2026, 3, 1))
    assert not replace(REQUEST, state=State.RELEASED).is_overdue(date(2026, 3, 1))
