"""Plans, and the leases by which no two runners ever work on one request.

A plan groups requests that are carried out as one edit. It belongs to one runner until the runner is gone. Where that
cannot be seen, as on another machine, it belongs to the runner until its lease expires. Then another one takes it over:
the plan's epoch grows, and whatever the old owner still tries is refused.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from expunge.errors import LeaseLostError
from expunge.workspace._presence import Presence
from expunge.workspace.clock import moment
from expunge.workspace.states import Actor, Role, State
from expunge.workspace.transaction import Transaction

LEASE = timedelta(minutes=2)
LEASE_EXPIRED = "lease-expired"


@dataclass(frozen=True, slots=True)
class Plan:
    """Requests that one runner carries out as one edit.

    Attributes:
        id: Its number.
        owner: The runner.
        epoch: How often it was claimed.
        expires: When the lease ends, UTC by RFC 3339.
        requests: IDs of the requests.
    """

    id: int
    owner: str
    epoch: int
    expires: str
    requests: tuple[str, ...]


def claim(transaction: Transaction, presence: Presence, time: datetime, lease: timedelta, most: int) -> Plan | None:
    """Claims what is to be done next: a plan that was left unfinished, or a new one of accepted requests.

    Requests of an unfinished plan that were running are planned again, as nobody knows how far they came.

    Args:
        transaction: An open transaction.
        presence: The runner.
        time: Now.
        lease: How long it may be silent.
        most: Most requests in one plan.

    Returns:
        The plan; None if nothing waits, or the workspace is on hold.
    """
    if transaction.on_hold():
        return None
    expires = moment(time + lease)
    for row in transaction.connection.execute("SELECT * FROM plan WHERE finished IS NULL ORDER BY id").fetchall():
        mine = row["owner"] == presence.name
        silent = row["expires"] < moment(time)
        if mine or presence.is_gone(row["owner"]) or (silent and not presence.is_here(row["owner"])):
            epoch = row["epoch"] + (not mine)
            update = "UPDATE plan SET owner = ?, epoch = ?, expires = ? WHERE id = ?"
            transaction.connection.execute(update, (presence.name, epoch, expires, row["id"]))
            plan = Plan(row["id"], presence.name, epoch, expires, _requests(transaction, row["id"]))
            if not mine:
                _start_over(transaction, plan)
            return plan
    waiting = transaction.waiting()[:most]
    return _new_plan(transaction, presence, expires, [request.id for request in waiting]) if waiting else None


def renew(transaction: Transaction, plan: Plan, time: datetime, lease: timedelta) -> Plan:
    """Prolongs a lease.

    Raises:
        LeaseLostError: Another runner has taken the plan over, or it is finished.
    """
    require_lease(transaction, plan)
    expires = moment(time + lease)
    transaction.connection.execute("UPDATE plan SET expires = ? WHERE id = ?", (expires, plan.id))
    return Plan(plan.id, plan.owner, plan.epoch, expires, plan.requests)


def require_lease(transaction: Transaction, plan: Plan, request: str | None = None) -> None:
    """Refuses a runner that is not, or no longer, the owner of a plan.

    Raises:
        LeaseLostError: It is not, the plan is finished, or `request` is none of it.
    """
    row = transaction.connection.execute("SELECT * FROM plan WHERE id = ?", (plan.id,)).fetchone()
    if row is None or row["finished"] or (row["owner"], row["epoch"]) != (plan.owner, plan.epoch):
        raise LeaseLostError(
            f"Plan {plan.id} is finished or another runner has taken it over. Drop it, claim the next."
        )
    if request is not None and request not in _requests(transaction, plan.id):
        raise LeaseLostError(f"Request {request} is not part of plan {plan.id}.")


def finish(transaction: Transaction, plan: Plan) -> None:
    """Ends a plan.

    Raises:
        LeaseLostError: Another runner has taken it over, a request of it is still to be run, or it is finished.
    """
    require_lease(transaction, plan)
    states = {request: transaction.request(request).state for request in _requests(transaction, plan.id)}
    left = [request for request, state in states.items() if state in (State.PLANNED, State.RUNNING)]
    if left:
        raise LeaseLostError(f"Plan {plan.id} is not finished: {', '.join(left)} is still {states[left[0]]}.")
    transaction.connection.execute("UPDATE plan SET finished = ? WHERE id = ?", (transaction.now, plan.id))


def _new_plan(transaction: Transaction, presence: Presence, expires: str, requests: list[str]) -> Plan:
    insert = "INSERT INTO plan (owner, epoch, expires) VALUES (?, 1, ?)"
    number = transaction.connection.execute(insert, (presence.name, expires)).lastrowid
    assert number is not None
    for request in requests:
        transaction.move(request, State.PLANNED, Actor(presence.name, Role.RUNNER))
        transaction.connection.execute("INSERT INTO planned VALUES (?, ?)", (number, request))
    return Plan(number, presence.name, 1, expires, tuple(requests))


def _start_over(transaction: Transaction, plan: Plan) -> None:
    for request in plan.requests:
        if transaction.request(request).state == State.RUNNING:
            transaction.move(request, State.PLANNED, Actor(plan.owner, Role.RUNNER), code=LEASE_EXPIRED)


def _requests(transaction: Transaction, plan: int) -> tuple[str, ...]:
    query = "SELECT request FROM planned JOIN request ON id = request WHERE plan = ? ORDER BY due, received, id"
    return tuple(row[0] for row in transaction.connection.execute(query, (plan,)))
