"""Rights of a runner: claim plans, move their requests, record what it made; and only while it owns the plan."""

from datetime import timedelta
from pathlib import Path
from typing import Self

from expunge.workspace import leases
from expunge.workspace._presence import Presence
from expunge.workspace.artefacts import Digest
from expunge.workspace.creation import RUNNERS
from expunge.workspace.disk import writing
from expunge.workspace.leases import LEASE, Plan
from expunge.workspace.states import Actor, Request, Role, State
from expunge.workspace.workspace import Workspace

POLICY = Actor("policy", Role.POLICY)


class Runner:
    """One runner on a workspace. Use it as a context manager: at its end, others may take over what is unfinished."""

    def __init__(self, workspace: Workspace, *, lease: timedelta = LEASE) -> None:
        """Registers a runner.

        Args:
            workspace: Where it works, in one thread. A heartbeat from another thread opens the workspace again and
                calls `leases.renew`.
            lease: How long it may be silent before others may take over, where they cannot see whether it lives.

        Raises:
            ReadOnlyWorkspaceError: Nothing may be written there.
        """
        self._workspace, self._lease = workspace, lease
        with writing(f"The workspace {workspace.path}"):
            self._presence = Presence(workspace.path / RUNNERS)
        self.actor = Actor(self._presence.name, Role.RUNNER)

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Ends the runner."""
        self._presence.leave()

    def claim_next(self, *, most: int = 32) -> Plan | None:
        """Claims what is to be done next; see `expunge.workspace.leases.claim`."""
        with self._workspace.transaction() as transaction:
            return leases.claim(transaction, self._presence, self._workspace.now(), self._lease, most)

    def heartbeat(self, plan: Plan) -> Plan:
        """Prolongs the lease.

        Raises:
            LeaseLostError: Another runner has taken the plan over, or it is finished.
        """
        with self._workspace.transaction() as transaction:
            return leases.renew(transaction, plan, self._workspace.now(), self._lease)

    def move(self, plan: Plan, after: State, reason: str | None = None, *, request: str | None = None) -> None:
        """Moves all requests of a plan, or one, to another state. An approval is made in the name of the policy.

        Raises:
            LeaseLostError: Another runner has taken the plan over, it is finished, or `request` is none of it.
            UnlawfulMoveError: One of them cannot go there; then none does.
        """
        actor = POLICY if after == State.APPROVED else self.actor
        with self._workspace.transaction() as transaction:
            for one in plan.requests if request is None else (request,):
                leases.require_lease(transaction, plan, one)
                transaction.move(one, after, actor, reason)

    def record_artefact(self, plan: Plan, role: str, data: bytes | Path, *, request: str | None = None) -> Digest:
        """Stores bytes, a file or a folder once, and notes it for all requests of a plan, or for one.

        Raises:
            LeaseLostError: Another runner has taken the plan over, it is finished, or `request` is none of it.
            OutputError: It cannot be written.
        """
        with self._workspace.storing(data) as (transaction, stored):
            for one in plan.requests if request is None else (request,):
                leases.require_lease(transaction, plan, one)
                transaction.record_artefact(one, role, stored.sha256, stored.bytes, self.actor)
        return stored

    def requests(self, plan: Plan) -> tuple[Request, ...]:
        """The requests of a plan as they stand now."""
        return tuple(map(self._workspace.request, plan.requests))

    def finish(self, plan: Plan) -> None:
        """Ends a plan whose requests have all come further than running.

        Raises:
            LeaseLostError: Another runner has taken it over, a request is still to be run, or it is finished.
        """
        with self._workspace.transaction() as transaction:
            leases.finish(transaction, plan)
