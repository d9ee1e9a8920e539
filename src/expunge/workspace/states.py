"""A request's life as data: its states, the lawful moves between them, and who may make each.

Nothing here reads a clock, a file or a table. `moved` is the only way from one state to another.
"""

import unicodedata
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from expunge.errors import FourEyesError, UnlawfulMoveError, WorkspaceError


class State(StrEnum):
    """State of a request."""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    PLANNED = "planned"
    RUNNING = "running"
    MEASURED = "measured"
    APPROVED = "approved"
    REFUSED = "refused"
    RELEASED = "released"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    ON_HOLD = "on_hold"


class Role(StrEnum):
    """Role of an actor who makes a move: a person, the runner that executes edits, or the policy it applies."""

    PERSON = "person"
    RUNNER = "runner"
    POLICY = "policy"


SETTLED = frozenset({State.REFUSED, State.RELEASED, State.ROLLED_BACK})
"""Nothing more is owed, and images are not needed any more."""
HOLDABLE = (State.RECEIVED, State.ACCEPTED, State.MEASURED, State.APPROVED, State.FAILED)


@dataclass(frozen=True, slots=True)
class Actor:
    """Actor of a move.

    Attributes:
        name: As the operator calls them. It stays in the workspace; the ledger holds a keyed pseudonym.
        role: What kind of actor.
    """

    name: str
    role: Role = Role.PERSON

    def __post_init__(self) -> None:
        """Gives a name its one spelling, and refuses an empty one."""
        object.__setattr__(self, "name", unicodedata.normalize("NFC", self.name.strip()))
        if not self.name or len(self.name) > 200 or not self.name.isprintable():
            raise WorkspaceError("An actor's name is 1 to 200 printable characters: --as jane")

    def is_called(self, name: str | None) -> bool:
        """Whether a name is this actor's, whatever its case."""
        return name is not None and self.name.casefold() == name.casefold()


@dataclass(frozen=True, slots=True)
class Move:
    """A lawful move.

    Attributes:
        before: State it leaves.
        after: State it leads to.
        by: Who may make it.
        why: Whether a reason is demanded.
    """

    before: State
    after: State
    by: tuple[Role, ...]
    why: bool = False


def _moves() -> tuple[Move, ...]:
    s, person, runner, policy = State, (Role.PERSON,), (Role.RUNNER,), Role.POLICY
    return (
        Move(s.RECEIVED, s.ACCEPTED, (Role.PERSON, policy)),
        Move(s.RECEIVED, s.REFUSED, person, why=True),
        Move(s.ACCEPTED, s.PLANNED, runner),
        Move(s.ACCEPTED, s.REFUSED, person, why=True),
        Move(s.PLANNED, s.RUNNING, runner),
        Move(s.PLANNED, s.ACCEPTED, runner),  # the plan is given up before anything ran
        Move(s.PLANNED, s.FAILED, runner, why=True),
        Move(s.RUNNING, s.MEASURED, runner),
        Move(s.RUNNING, s.PLANNED, runner),  # the runner is gone, and another one begins anew
        Move(s.RUNNING, s.FAILED, runner, why=True),
        Move(s.MEASURED, s.RUNNING, runner),  # the next deeper setting
        Move(s.MEASURED, s.ACCEPTED, person),  # once more, from the start
        Move(s.MEASURED, s.APPROVED, (Role.PERSON, policy)),
        Move(s.MEASURED, s.REFUSED, person, why=True),
        Move(s.APPROVED, s.RELEASED, person),
        Move(s.APPROVED, s.REFUSED, person, why=True),
        Move(s.RELEASED, s.ROLLED_BACK, person, why=True),
        Move(s.FAILED, s.ACCEPTED, person),
        Move(s.FAILED, s.REFUSED, person, why=True),
        *(Move(state, s.ON_HOLD, person) for state in HOLDABLE),
        *(Move(s.ON_HOLD, state, person) for state in HOLDABLE),
    )


MOVES = _moves()


@dataclass(frozen=True, slots=True)
class Request:
    """Request of a person, and its state.

    Attributes:
        id: A pseudonym, `r-` and eight random characters.
        state: Where it stands.
        targets: Classes to be forgotten.
        received: When it came in, UTC by RFC 3339.
        due: Last day of the time limit.
        reason: In words; None if nobody gave one.
        images: Number of its images.
        images_sha256: One digest over the sorted digests of its images.
        destroyed: When its images were destroyed; None while they are kept.
        held_from: State to go back to from a hold.
        approved_by: Who approved what was measured.
        legal_hold: Whether its images must be kept whatever becomes of it.
    """

    id: str
    state: State
    targets: tuple[str, ...]
    received: str
    due: date
    reason: str | None
    images: int
    images_sha256: str
    destroyed: str | None = None
    held_from: State | None = None
    approved_by: str | None = None
    legal_hold: bool = False

    def is_overdue(self, today: date) -> bool:
        """Whether its time limit has passed and something is still owed. A hold stops no time limit."""
        return self.state not in SETTLED and today > self.due


def possible(request: Request) -> tuple[Move, ...]:
    """The lawful moves from where a request stands."""
    moves = (move for move in MOVES if move.before == request.state)
    return tuple(move for move in moves if request.state != State.ON_HOLD or move.after == request.held_from)


def moved(request: Request, after: State, actor: Actor, reason: str | None = None, *, four_eyes: bool) -> Request:
    """A request after a move.

    Args:
        request: Where it stands.
        after: Where it shall go.
        actor: Who makes the move.
        reason: Why.
        four_eyes: Whether two persons are needed, one to approve and another one to release.

    Raises:
        UnlawfulMoveError: There is no such move, it is not this actor's to make, or it lacks a reason.
        FourEyesError: A person, or a second person, is needed.
    """
    move = next((move for move in possible(request) if move.after == after), None)
    if move is None or actor.role not in move.by:
        raise UnlawfulMoveError(_unlawful(request, after, actor, move))
    if move.why and not (reason and reason.strip()):
        raise UnlawfulMoveError(f"Request {request.id} can become {after} only with a reason: --why TEXT")
    if four_eyes and after == State.APPROVED and actor.role != Role.PERSON:
        raise FourEyesError(f"The policy demands four eyes, so a person must approve request {request.id}.")
    if four_eyes and after == State.RELEASED and actor.is_called(request.approved_by):
        raise FourEyesError(
            f"The policy demands four eyes: {actor.name} approved request {request.id}, so another person releases it."
        )
    approver = {State.APPROVED: actor.name, State.ACCEPTED: None, State.RUNNING: None}
    return replace(
        request,
        state=after,
        held_from=request.state if after == State.ON_HOLD else None,
        # A hold keeps what was approved; whatever is run again must be approved again.
        approved_by=request.approved_by
        if State.ON_HOLD in (move.before, after)
        else approver.get(after, request.approved_by),
    )


def _unlawful(request: Request, after: State, actor: Actor, move: Move | None) -> str:
    ways = ", ".join(f"{way.after} (by a {' or '.join(way.by)})" for way in possible(request))
    if move is not None:
        return (
            f"Request {request.id} can be made {after} by a {' or '.join(move.by)}, and {actor.name} is a {actor.role}."
        )
    return f"Request {request.id} is {request.state} and cannot become {after}. Possible: {ways or 'nothing more'}."
