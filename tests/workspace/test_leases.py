"""Who may work on what, and until when."""

from datetime import timedelta

import pytest

from expunge.errors import FourEyesError, LeaseLostError, UnlawfulMoveError
from expunge.workspace import Plan, Runner, State, Workspace
from tests.workspace.tools import JANE, PAUL, ROBOT, assert_sound, ledger_entries, to_measured, to_released


def claimed(runner: Runner, *, most: int = 32) -> Plan:
    plan = runner.claim_next(most=most)
    assert plan is not None
    return plan


@pytest.fixture
def accepted(place, images) -> list[str]:
    requests = [place.submit([name], images, JANE).id for name in ("amber", "blue", "coral")]
    for request in requests:
        place.move(request, State.ACCEPTED, JANE)
    return requests


def test_requests_that_wait_are_planned_as_one_and_keep_their_own_records(place, accepted) -> None:
    with Runner(place) as runner:
        plan = claimed(runner)
        assert sorted(plan.requests) == sorted(accepted)
        runner.move(plan, State.RUNNING)
        edit = runner.record_artefact(plan, "edit", b"one edit for all")
        runner.record_artefact(plan, "scorecard", b"{}", request=accepted[0])
        runner.move(plan, State.MEASURED)
        runner.finish(plan)
        assert runner.claim_next() is None
    for request in accepted:
        records = place.artefact_records(request)
        assert records[2].sha256 == edit.sha256
        assert [record.role for record in records[3:]] == (["scorecard"] if request == accepted[0] else [])
        moves = [move.after for move in place.moves(request)]
        assert moves == ["received", "accepted", "planned", "running", "measured"]
    assert_sound(place)


def test_the_first_one_due_comes_first(place, images, clock) -> None:
    late = place.submit(["amber"], images, JANE)
    clock.turn(days=-3)
    early = place.submit(["blue"], images, JANE)
    for request in (late, early):
        place.move(request.id, State.ACCEPTED, JANE)
    with Runner(place) as runner:
        assert claimed(runner, most=1).requests == (early.id,)


def test_a_living_runner_keeps_its_plan_however_long_it_is_silent(place, accepted, clock) -> None:
    with Runner(place) as first, Runner(place) as second:
        plan = claimed(first)
        clock.turn(hours=3)
        assert second.claim_next() is None
        first.heartbeat(plan)


def test_where_nobody_sees_whether_a_runner_lives_it_keeps_its_plan_until_the_lease_ends(
    place, accepted, clock, monkeypatch
) -> None:
    monkeypatch.setattr("expunge.workspace._presence.LOCKS", False)
    with Workspace.open(place.path, clock=clock) as there, Runner(place) as first, Runner(there) as second:
        plan = claimed(first)
        first.move(plan, State.RUNNING)
        assert second.claim_next() is None
        clock.turn(seconds=119)
        plan = first.heartbeat(plan)
        clock.turn(seconds=119)
        assert second.claim_next() is None
        clock.turn(seconds=2)
        taken = claimed(second)
        assert (taken.id, taken.epoch, taken.requests) == (plan.id, 2, plan.requests)
        assert {request.state for request in place.requests()} == {State.PLANNED}
        for attempt in (
            lambda: first.heartbeat(plan),
            lambda: first.move(plan, State.RUNNING),
            lambda: first.record_artefact(plan, "edit", b"late"),
            lambda: first.finish(plan),
        ):
            with pytest.raises(LeaseLostError, match="taken it over"):
                attempt()
        second.move(taken, State.RUNNING)
    assert_sound(place)
    codes = [entry["facts"].get("reason") for entry in ledger_entries(place)]
    assert codes.count("lease-expired") == 3


def test_a_runner_that_ended_is_followed_at_once(place, accepted) -> None:
    with Runner(place) as first:
        plan = claimed(first)
    with Runner(place) as second:
        assert claimed(second).epoch == plan.epoch + 1
    assert not list((place.path / "runners").iterdir())


def test_a_clock_that_goes_back_only_prolongs_leases(place, accepted, clock) -> None:
    with Runner(place, lease=timedelta(minutes=5)) as first, Runner(place) as second:
        first.claim_next()
        clock.turn(days=-1)
        assert second.claim_next() is None


def test_nothing_is_claimed_on_hold(place, accepted) -> None:
    with Runner(place) as runner:
        with place.transaction() as transaction:
            transaction.hold_all(JANE)
        assert runner.claim_next() is None
        with place.transaction() as transaction:
            transaction.hold_all(JANE, lift=True)
        assert runner.claim_next() is not None


def test_a_plan_is_not_finished_while_something_is_to_be_run(place, accepted) -> None:
    with Runner(place) as runner:
        plan = claimed(runner)
        with pytest.raises(LeaseLostError, match="not finished"):
            runner.finish(plan)
        runner.move(plan, State.FAILED, "out of memory")
        runner.finish(plan)
        with pytest.raises(LeaseLostError, match="finished"):
            runner.move(plan, State.RUNNING)


def test_what_a_person_sends_back_waits_for_the_plan_to_end(place, accepted) -> None:
    with Runner(place) as runner, Runner(place) as other:
        plan = claimed(runner)
        runner.move(plan, State.RUNNING)
        runner.move(plan, State.MEASURED)
        place.move(accepted[0], State.ACCEPTED, JANE)
        assert other.claim_next() is None
        with pytest.raises(UnlawfulMoveError):
            runner.move(plan, State.RUNNING)
        assert {place.request(request).state for request in accepted[1:]} == {State.MEASURED}
        runner.finish(plan)
        assert claimed(other).requests == (accepted[0],)
    assert_sound(place)


def test_a_request_of_another_plan(place, accepted) -> None:
    with Runner(place) as runner:
        plan = claimed(runner, most=1)
        other = next(request for request in accepted if request not in plan.requests)
        with pytest.raises(LeaseLostError, match="not part of plan"):
            runner.move(plan, State.RUNNING, request=other)


def test_the_policy_may_approve_unless_two_persons_are_needed(place, images, tmp_path) -> None:
    with Runner(place) as runner:
        place.move(place.submit(["amber"], images, JANE).id, State.ACCEPTED, JANE)
        plan = claimed(runner)
        for after in (State.RUNNING, State.MEASURED, State.APPROVED):
            runner.move(plan, after)
        assert [request.approved_by for request in runner.requests(plan)] == ["policy"]
    policy = tmp_path / "policy.toml"
    policy.write_text('schema = "expunge/policy/v1"\nname = "two of us"\nfour_eyes = true\n')
    with Workspace.create(tmp_path / "strict", "m", policy=policy, actor=JANE) as strict:
        request = strict.submit(["amber"], images, JANE).id
        to_measured(strict, request)
        strict.move(request, State.APPROVED, JANE)
        with pytest.raises(FourEyesError):
            strict.move(request, State.RELEASED, JANE)
        assert strict.move(request, State.RELEASED, PAUL).state == "released"
        assert strict.policy() == policy.read_bytes()
        assert ledger_entries(strict)[1]["facts"]["name"] == "two-of-us"


def test_a_runner_moves_nothing_without_a_plan(place, accepted) -> None:
    with pytest.raises(LeaseLostError, match="claimed"):
        place.move(accepted[0], State.PLANNED, ROBOT)


def test_released_requests_are_done(place, images) -> None:
    request = place.submit(["amber"], images, JANE).id
    to_released(place, request)
    with Runner(place) as runner:
        assert runner.claim_next() is None
