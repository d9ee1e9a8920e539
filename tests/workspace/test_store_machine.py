"""A model of the workspace, a few dictionaries wide, is led through the same life as the real one."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from expunge.errors import HeldError, LeaseLostError, UnlawfulMoveError
from expunge.workspace import Actor, Original, Plan, Role, Runner, State, Workspace
from tests.workspace.test_states import TABLE
from tests.workspace.tools import CLASSES, JANE, TurnableClock, assert_sound, write_images

HOLDABLE = {before for before, after in TABLE if after == "on_hold"}
SETTLED = {"refused", "released", "rolled_back"}


class _InterruptedError(Exception):
    pass


class Life(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.states: dict[str, str] = {}
        self.held_from: dict[str, str] = {}
        self.legal: set[str] = set()
        self.destroyed: set[str] = set()
        self.plans: dict[int, set[str]] = {}
        self.all_held = False

    @initialize()
    def begin(self) -> None:
        self.clock = TurnableClock()
        self.images = write_images(Path(self.folder.name) / "images", count=1)
        self.place = Workspace.create(
            Path(self.folder.name) / "w", Original(source="m", classes=CLASSES), actor=JANE, clock=self.clock
        )
        self.runner = Runner(self.place)

    def teardown(self) -> None:
        if hasattr(self, "place"):
            assert_sound(self.place)
            self.runner._presence.leave()
            self.place.close()
        self.folder.cleanup()

    def _some(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.states, key=list(self.states).index)))

    @rule(name=st.sampled_from(CLASSES))
    def submit(self, name) -> None:
        request = self.place.submit([name], self.images, JANE)
        assert request.id not in self.states
        self.states[request.id] = "received"

    @precondition(lambda self: self.states)
    @rule(data=st.data(), after=st.sampled_from(State), role=st.sampled_from([Role.PERSON, Role.PERSON, Role.POLICY]))
    def move(self, data, after, role) -> None:
        request = self._some(data)
        before = self.states[request]
        if before == "on_hold":
            lawful = role == Role.PERSON and after == self.held_from[request]
        else:
            lawful = role in TABLE.get((before, after.value), ())
        if after in (State.RELEASED, State.ROLLED_BACK) and self.all_held:
            with pytest.raises(HeldError):
                self.place.move(request, after, Actor("someone", role), "why")
        elif not lawful:
            with pytest.raises(UnlawfulMoveError):
                self.place.move(request, after, Actor("someone", role), "why")
        else:
            self.place.move(request, after, Actor("someone", role), "why")
            if after == State.ON_HOLD:
                self.held_from[request] = before
            self.states[request] = after.value

    def _claim(self) -> Plan | None:
        """What the runner claims; it must be what the model expects."""
        plan = self.runner.claim_next(most=2)
        taken = {request for requests in self.plans.values() for request in requests}
        waiting = {request for request, state in self.states.items() if state == "accepted"} - taken
        if self.all_held:
            assert plan is None
        elif self.plans:
            assert plan is not None
            assert set(plan.requests) == self.plans[plan.id]
        elif plan is None:
            assert not waiting
        else:
            assert len(plan.requests) == min(2, len(waiting))
            assert set(plan.requests) <= waiting
            self.plans[plan.id] = set(plan.requests)
            self.states |= dict.fromkeys(plan.requests, "planned")
        return plan

    @rule(steps=st.integers(0, 3))
    def run(self, steps) -> None:
        plan = self._claim()
        if plan is None:
            return
        for request in plan.requests:
            for after in (State.RUNNING, State.MEASURED, State.APPROVED)[:steps]:
                if {"runner", "policy"} & set(TABLE.get((self.states[request], after.value), ())):
                    self.runner.move(plan, after, request=request)
                    self.states[request] = after.value
        if {self.states[request] for request in plan.requests} & {"planned", "running"}:
            with pytest.raises(LeaseLostError, match="not finished"):
                self.runner.finish(plan)
        else:
            self.runner.finish(plan)
            del self.plans[plan.id]

    @rule()
    def runner_dies(self) -> None:
        self.runner._presence._file.close()
        self.runner = Runner(self.place)
        if not self.all_held:
            for request in min(self.plans.items())[1] if self.plans else ():
                self.states[request] = {"running": "planned"}.get(self.states[request], self.states[request])
        self._claim()

    @rule(hours=st.integers(-30, 60))
    def clock_turns(self, hours) -> None:
        self.clock.turn(hours=hours)

    @rule()
    def reopen(self) -> None:
        self.place.close()
        self.place = Workspace.open(Path(self.folder.name) / "w", clock=self.clock)
        self.runner._workspace = self.place

    @rule()
    def hold_or_go_on(self) -> None:
        with self.place.transaction() as transaction:
            transaction.hold_all(JANE, lift=self.all_held)
        self.all_held = not self.all_held

    @precondition(lambda self: self.states)
    @rule(data=st.data())
    def keep_images(self, data) -> None:
        request = self._some(data)
        with self.place.transaction() as transaction:
            transaction.hold_images(request, JANE, lift=request in self.legal)
        self.legal ^= {request}

    @precondition(lambda self: self.states)
    @rule(data=st.data())
    def destroy(self, data) -> None:
        request = self._some(data)
        may = self.states[request] in SETTLED and request not in self.legal and not self.all_held
        if request in self.destroyed or may:
            assert self.place.destroy_images(request, JANE).destroyed
            self.destroyed.add(request)
        else:
            with pytest.raises(HeldError):
                self.place.destroy_images(request, JANE)

    @precondition(lambda self: self.states)
    @rule(data=st.data())
    def interrupted(self, data) -> None:
        """Whatever is done in a transaction that fails is undone, in the tables and in the ledger."""
        request = self._some(data)
        size = self.place.ledger().size
        with pytest.raises(_InterruptedError):
            self._begin_and_fail(request)
        assert self.place.ledger().size == size

    def _begin_and_fail(self, request: str) -> None:
        with self.place.transaction() as transaction:
            transaction.hold_images(request, JANE, lift=request in self.legal)
            raise _InterruptedError

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        if hasattr(self, "place"):
            found = self.place.requests()
            assert {request.id: request.state.value for request in found} == self.states
            assert len(found) == len(self.states)
            assert {request.id for request in found if request.legal_hold} == self.legal
            assert {request.id for request in found if request.destroyed} == self.destroyed
            assert self.place.on_hold() == self.all_held


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=12, stateful_step_count=25, suppress_health_check=[HealthCheck.too_slow], deadline=None
)
