"""One atomic commit: whatever a transaction writes into the tables, it writes into the ledger, or neither.

That is all there is to crash safety here. Wherever the machine stops, the database holds both or none; and files are
only believed once a row names their digest.
"""

import sqlite3
from dataclasses import dataclass, field, replace

from expunge.errors import HeldError
from expunge.ledger import Artefact, Destruction, Facts, Log, PolicyChange, StateMove
from expunge.workspace.pseudonyms import Pseudonyms
from expunge.workspace.rows import (
    ArtefactRecord,
    ImageRecord,
    MoveRecord,
    insert_request,
    read_images,
    read_moves,
    read_request,
    read_requests,
    update_request,
)
from expunge.workspace.settings import Settings
from expunge.workspace.states import SETTLED, Actor, Request, State, moved
from expunge.workspace.submission import facts_of

OPEN, HELD = "open", "on_hold"
LEGAL_HOLD, LEGAL_HOLD_LIFTED = "legal-hold", "legal-hold-lifted"
FORGET_IMAGES = "forget-images"
REQUEST_FACTS, SETTINGS_FACTS = "request-facts", "settings-facts"
"""Roles of keyed digests: of what a request asks for, and of what a workspace was made for. No file belongs to them."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """Actions within one transaction of a workspace.

    Attributes:
        connection: The database, with the lock held.
        now: When the transaction began, UTC by RFC 3339.
        appended: What was added to the ledger, each with the ID of its request.
    """

    connection: sqlite3.Connection
    now: str
    _log: Log
    _pseudonyms: Pseudonyms
    _four_eyes: bool
    appended: list[tuple[Facts, str | None]] = field(default_factory=list)

    def request(self, request: str) -> Request:
        """One request, as it stands now.

        Raises:
            UnknownRequestError: There is none of this ID.
        """
        return read_request(self.connection, request)

    def waiting(self) -> tuple[Request, ...]:
        """The requests that are accepted and in no unfinished plan, the first one due first."""
        query = "SELECT request FROM planned JOIN plan ON plan.id = plan WHERE finished IS NULL"
        taken = {row[0] for row in self.connection.execute(query)}
        return tuple(request for request in read_requests(self.connection, State.ACCEPTED) if request.id not in taken)

    def known(self, token: str) -> Request | None:
        """The request that was submitted with this token."""
        query = "SELECT id FROM request WHERE token = ?"
        row = self.connection.execute(query, (self._pseudonyms.of("token", token),)).fetchone()
        return None if row is None else self.request(row[0])

    def receive(
        self,
        request: Request,
        images: tuple[ImageRecord, ...],
        actor: Actor,
        *,
        subject: str | None = None,
        token: str | None = None,
    ) -> None:
        """Adds a new request with its images; `subject` and `token` go no further than their keyed digests."""
        secrets = {"subject": subject, "token": token}
        digests = {
            kind: None if text is None else self._pseudonyms.of(kind, text)  # pyright: ignore[reportArgumentType]
            for kind, text in secrets.items()
        }
        insert_request(self.connection, request, **digests)
        rows = [(request.id, image.target, image.sha256, image.format, image.bytes) for image in images]
        self.connection.executemany("INSERT INTO image VALUES (?, ?, ?, ?, ?)", rows)
        self._record(request.id, None, State.RECEIVED, actor, request.reason)
        self.record_artefact(request.id, FORGET_IMAGES, request.images_sha256, None, actor)
        facts = self._pseudonyms.of("request", facts_of(request, images, (digests["subject"], digests["token"])))
        self.record_artefact(request.id, REQUEST_FACTS, facts, None, actor)

    def move(
        self, request: str, after: State, actor: Actor, reason: str | None = None, code: str | None = None
    ) -> Request:
        """Moves a request from one state to another.

        Raises:
            UnlawfulMoveError: It cannot go there, or not by this actor.
            HeldError: The workspace is on hold, and this would release something or roll it back.
        """
        before = self.request(request)
        if after in (State.RELEASED, State.ROLLED_BACK):  # either lets another model be served
            self.require_open()
        changed = moved(before, after, actor, reason, four_eyes=self._four_eyes)
        update_request(self.connection, changed)
        self._record(request, before.state, after, actor, reason, code)
        return changed

    def hold_images(self, request: str, actor: Actor, reason: str | None = None, *, lift: bool = False) -> Request:
        """Notes that a request's images must be kept, or that they need not be kept any longer."""
        before = self.request(request)
        if before.legal_hold != lift:
            raise HeldError(f"Request {request} is {'not ' if lift else ''}under a legal hold already.")
        changed = replace(before, legal_hold=not lift)
        update_request(self.connection, changed)
        code = LEGAL_HOLD_LIFTED if lift else LEGAL_HOLD
        self._record(request, before.state, before.state, actor, reason, code)
        return changed

    def hold_all(self, actor: Actor, reason: str | None = None, *, lift: bool = False) -> None:
        """Puts the whole workspace on hold, or lets it go on."""
        if self.on_hold() != lift:
            raise HeldError(f"The workspace is {'not ' if lift else ''}on hold already.")
        before, after = (HELD, OPEN) if lift else (OPEN, HELD)
        self._record(None, before, after, actor, reason)

    def on_hold(self) -> bool:
        """Whether the whole workspace is on hold."""
        return is_on_hold(self.connection)

    def require_open(self) -> None:
        """Refuses to go on while the whole workspace is on hold.

        Raises:
            HeldError: It is.
        """
        if self.on_hold():
            raise HeldError(
                "The workspace is on hold: nothing is run, released, rolled back or destroyed until `expunge unhold`."
            )

    def record_artefact(
        self, request: str | None, role: str, sha256: str, size: int | None, actor: Actor
    ) -> ArtefactRecord:
        """Notes that something was made. Its file must be in the store already.

        Args:
            request: The request it was made for; None for the workspace's own.
            role: What it is, a code: `edit`, `model`, `scorecard`.
            sha256: Its digest.
            size: Its size in bytes, where it is a file.
            actor: Who made it.
        """
        seq = self.append(Artefact(role=role, sha256=sha256, bytes=size), actor, request)
        record = ArtefactRecord(seq, request, role, sha256, size)
        self.connection.execute("INSERT INTO artefact VALUES (?, ?, ?, ?, ?)", (seq, request, role, sha256, size))
        return record

    def require_destroyable(self, request: str) -> Request:
        """A request whose images are needed no more.

        Raises:
            HeldError: It is not settled, or a hold stands.
        """
        found = self.request(request)
        self.require_open()
        if found.state not in SETTLED:
            raise HeldError(f"Request {request} is {found.state}; its images are needed until it is settled.")
        if found.legal_hold:
            raise HeldError(f"Request {request} is under a legal hold, so its images are kept.")
        return found

    def record_destruction(self, request: Request, actor: Actor) -> Request:
        """Notes that a request's images are gone."""
        facts = Destruction(what=FORGET_IMAGES, count=request.images, sha256=request.images_sha256)
        self.append(facts, actor, request.id)
        changed = replace(request, destroyed=self.now)
        update_request(self.connection, changed)
        return changed

    def images(self, request: str) -> tuple[ImageRecord, ...]:
        """Records of a request's images."""
        return read_images(self.connection, request)

    def set_policy(self, name: str, sha256: str, actor: Actor) -> None:
        """Notes which policy decides."""
        self.append(PolicyChange(name=name, sha256=sha256), actor)

    def record_settings(self, settings: Settings, actor: Actor) -> None:
        """Notes a keyed digest of what the workspace is made for."""
        self.record_artefact(None, SETTINGS_FACTS, self._pseudonyms.of("settings", settings.facts()), None, actor)

    def append(self, facts: Facts, actor: Actor, request: str | None = None) -> int:
        """Adds an entry to the ledger under a pseudonym of the actor's, and returns its number."""
        name = self._pseudonyms.actor(actor.role, actor.name)
        self.appended.append((facts, request))
        return self._log.append(facts, time=self.now, actor=name, request=request)

    def _record(
        self,
        request: str | None,
        before: str | None,
        after: str,
        actor: Actor,
        reason: str | None,
        code: str | None = None,
    ) -> MoveRecord:
        digest = None if reason is None else self._pseudonyms.of("reason", reason)
        # Plain text for the ledger: a StrEnum is not a str to a strict record.
        left = None if before is None else str(before)
        seq = self.append(StateMove(before=left, after=str(after), reason=code, reason_sha256=digest), actor, request)
        latest = self.connection.execute("SELECT max(time) FROM move").fetchone()[0]
        back = latest is not None and self.now < latest
        row = (seq, request, left, str(after), actor.name, str(actor.role), self.now, reason, code, back)
        self.connection.execute("INSERT INTO move VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        return MoveRecord(*row)


def is_on_hold(connection: sqlite3.Connection) -> bool:
    """Whether the whole workspace is on hold."""
    moves = read_moves(connection, None)
    return bool(moves) and moves[-1].after == HELD
