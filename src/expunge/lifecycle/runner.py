"""Carries out what waits: claim a plan, make the edit, measure, judge; then offer it, go deeper, or stop for a person.

Every step is looked for before it is done. So whoever goes on after a crash takes up the recorded edit and the recorded
judgement, and does anew what was not recorded; nothing is applied twice, because models are rebuilt from their source.
"""

import logging
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from expunge.adapters import Edit, save_edit
from expunge.errors import ExpungeError, HeldError, LeaseLostError
from expunge.lifecycle import executor
from expunge.lifecycle._class_memory import lowest_block, remembered_facts
from expunge.lifecycle._ladder import goes_on, ladder
from expunge.lifecycle._material import Material, gather, last_data
from expunge.lifecycle._records import Attempt, Judgement, newest, recorded, role_of
from expunge.lifecycle._recovery import recover
from expunge.lifecycle._session import Session
from expunge.lifecycle.applied import AppliedEdit, applied_edits, classes_of, digests, read_edit, task_for
from expunge.lifecycle.options import Outcome, RunOptions
from expunge.lifecycle.strangers import lowest_kept
from expunge.logs import tell, telling
from expunge.methods import Method, make_method
from expunge.release import edit_digest
from expunge.runs import Stage
from expunge.workspace import Plan, Runner, State, Workspace, moment

LEASE = timedelta(minutes=10)
TOGETHER = 32
_LOG = logging.getLogger(__name__)
LIVE = (State.PLANNED, State.RUNNING, State.MEASURED)


def run_waiting(
    workspace: Workspace,
    asked: RunOptions,
    *,
    report: executor.Report = lambda stage: None,
    reached: Callable[[str], None] = lambda step: None,
) -> list[Outcome]:
    """Carries out all requests that wait, and whatever an earlier runner left unfinished.

    Args:
        workspace: The workspace.
        asked: How.
        report: Told about the progress.
        reached: Told of every step that is done and recorded.

    Raises:
        MethodError: The method or its settings are unusable.
    """
    recover(workspace)
    name, settings = task_for(workspace).name, asked.settings  # bad settings claim nothing
    method = make_method(asked.method, task=name, preset=asked.preset, settings=settings)
    outcomes, session = [], Session(workspace)
    with Runner(workspace, lease=LEASE) as runner:
        while (plan := runner.claim_next(most=TOGETHER if asked.together else 1)) is not None:
            reached("claimed")
            with suppress(LeaseLostError):  # then it is another runner's, and there may be more to do
                outcomes.append(_Execution(session, runner, plan, asked, method, report, reached).carry_out())
    return outcomes


class _Execution:
    """One plan on its way."""

    def __init__(
        self,
        session: Session,
        runner: Runner,
        plan: Plan,
        asked: RunOptions,
        method: Method,
        report: executor.Report,
        reached: Callable[[str], None],
    ) -> None:
        self._session, self._workspace, self._runner, self._plan = session, session.workspace, runner, plan
        self._asked, self._method, self._report, self._beat = asked, method, report, session.workspace.now()
        self._ids = tuple(request.id for request in runner.requests(plan) if request.state in LIVE)
        self._reached = telling(_LOG, reached, self._ids)

    def carry_out(self) -> Outcome:
        """Brings the plan's requests as far as a runner may, and ends the plan."""
        why = ""
        try:
            if self._ids:
                self._climb()
        except (LeaseLostError, HeldError):
            raise
        except ExpungeError as error:
            why = str(error)
            tell(_LOG, "failed", level=logging.WARNING, request=self._ids, error=type(error).__name__)
            self._move(State.FAILED, why, of=(State.PLANNED, State.RUNNING))
        except Exception as error:  # a fault: a person looks at it, so that no runner stumbles over it for ever
            tell(_LOG, "fault", level=logging.ERROR, request=self._ids, error=type(error).__name__)
            with suppress(ExpungeError):
                self._move(State.FAILED, f"{type(error).__name__}: {error}", of=(State.PLANNED, State.RUNNING))
                self._runner.finish(self._plan)
            raise
        self._runner.finish(self._plan)
        self._reached("finished")
        found = newest(self._workspace, self._plan.requests[0], Judgement)
        return Outcome(self._runner.requests(self._plan), found[1] if found else None, why)

    def _climb(self) -> None:
        workspace, asked = self._workspace, self._asked
        data = asked.data or last_data(workspace)
        original = self._session.original
        rungs = ladder(self._method, original, max(lowest_block(workspace, self._method), lowest_kept(workspace)))
        requests = [workspace.request(one) for one in self._ids]
        targets = tuple(dict.fromkeys(name for request in requests for name in request.targets))
        base = applied_edits(workspace, offered=True, but=self._plan.requests)
        gone = (*targets, *classes_of(base))
        self._live()
        material = gather(workspace, self._ids, gone, original.classes, data, asked.seed)
        self._live()  # reading the images of a large folder may take longer than a lease
        for step, method in enumerate(rungs):
            attempt, key, edit = self._attempt(step, method, base, targets, material, data)
            judged = self._judgement(attempt, key, edit, base, material)
            if step == len(rungs) - 1 or not goes_on(judged.outcome):
                self._settle(judged)
                return

    def _attempt(
        self,
        step: int,
        method: Method,
        base: Sequence[AppliedEdit],
        targets: tuple[str, ...],
        material: Material,
        data: str,
    ) -> tuple[Attempt, str, Edit]:
        workspace, settings = self._workspace, executor.settings_of(method)
        asked = (self._ids, step, method.name, settings, self._asked.seed, data, digests(base))
        for row, one in recorded(workspace, self._ids[0], Attempt):
            if asked == (one.requests, one.step, one.method, one.settings, one.seed, one.data, one.base):
                self._note(role_of(Attempt), workspace.artefacts.read(row.sha256))
                return one, row.sha256, read_edit(workspace, one)
        self._move(State.RUNNING, of=(State.PLANNED, State.MEASURED))
        self._reached("running")
        started = moment(workspace.now())
        edit, seconds = executor.make_edit(
            self._session,
            base,
            targets,
            material,
            method,
            seed=self._asked.seed,
            device=self._asked.device,
            report=self._tell,
        )
        with tempfile.TemporaryDirectory() as scratch:
            save_edit(edit, Path(scratch), base_model="original")
            folder = self._note("edit", Path(scratch))
        self._reached("edit stored")
        attempt = Attempt(
            requests=self._ids,
            targets=targets,
            step=step,
            method=method.name,
            settings=settings,
            seed=self._asked.seed,
            data=data,
            base=digests(base),
            edit=folder,
            edit_sha256=edit_digest(edit),
            images=(*material.facts, *remembered_facts(workspace, method, classes_of(base))),
            started=started,
            seconds=seconds,
        )
        key = self._note(role_of(Attempt), attempt.to_bytes())
        self._reached("attempt recorded")
        return attempt, key, edit

    def _judgement(
        self, attempt: Attempt, key: str, edit: Edit, base: Sequence[AppliedEdit], material: Material
    ) -> Judgement:
        for row, one in recorded(self._workspace, self._ids[0], Judgement):
            if (one.attempt, one.base) == (key, digests(base)):
                self._note(role_of(Judgement), self._workspace.artefacts.read(row.sha256))
                return one
        self._move(State.RUNNING, of=(State.PLANNED, State.MEASURED))
        measured = executor.measure(
            self._session,
            base,
            edit,
            attempt.targets,
            material,
            seed=attempt.seed,
            device=self._asked.device,
            report=self._tell,
        )
        card = self._note("scorecard", measured.scorecard.to_json().encode())
        self._reached("scorecard stored")
        judged = executor.judgement(key, digests(base), card, measured, moment(self._workspace.now()))
        self._note(role_of(Judgement), judged.to_bytes())
        self._reached("judged")
        return judged

    def _settle(self, judged: Judgement) -> None:
        against = [reason for reason in judged.reasons if ": passed" not in reason]
        why = "" if judged.erased else "; ".join([*against, *filter(None, [judged.advice])])
        self._move(State.RUNNING, of=(State.PLANNED,))  # after a crash the judgement was there already
        self._move(State.MEASURED, f"{judged.outcome}{': ' if why else ''}{why}", of=(State.RUNNING,))
        self._reached("measured")
        if judged.erased and not self._workspace.settings.four_eyes:
            self._move(State.APPROVED, of=(State.MEASURED,))
            self._reached("approved")

    def _move(self, after: State, why: str | None = None, *, of: tuple[State, ...]) -> None:
        for one in self._ids:
            if self._workspace.request(one).state in of:
                self._runner.move(self._plan, after, why, request=one)

    def _note(self, role: str, data: bytes | Path) -> str:
        """Records an artefact for each request that does not have it yet."""
        store = self._workspace.artefacts
        sha256 = (store.put_folder(data) if isinstance(data, Path) else store.put(data)).sha256
        for one in self._ids:
            if all((row.role, row.sha256) != (role, sha256) for row in self._workspace.artefact_records(one)):
                self._runner.record_artefact(self._plan, role, data, request=one)
        return sha256

    def _tell(self, stage: Stage) -> None:
        """Passes progress on, and shows now and then that this runner lives."""
        self._report(stage)
        if self._workspace.now() - self._beat > LEASE / 10:
            self._live()

    def _live(self) -> None:
        self._runner.heartbeat(self._plan)
        self._beat = self._workspace.now()
