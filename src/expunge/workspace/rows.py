"""Rows of the tables as the values they stand for."""

import json
import sqlite3
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from expunge.errors import DamagedWorkspaceError, UnknownRequestError
from expunge.workspace.states import Request, State

_COLUMNS = tuple(field.name for field in fields(Request))


@dataclass(frozen=True, slots=True)
class MoveRecord:
    """A move that was made.

    Attributes:
        seq: Number of its ledger entry.
        request: The request; None where the workspace as a whole was held or let go.
        before: State it left; None for a new request.
        after: State it led to.
        actor: Who made it.
        role: What kind of actor.
        time: When, as the clock said.
        reason: Why, in words.
        code: Why, as a code, where the workspace itself knows.
        clock_back: Whether the clock said less than at an earlier move.
    """

    seq: int
    request: str | None
    before: str | None
    after: str
    actor: str
    role: str
    time: str
    reason: str | None
    code: str | None
    clock_back: bool


@dataclass(frozen=True, slots=True)
class ArtefactRecord:
    """Something that was made for a request.

    Attributes:
        seq: Number of its ledger entry.
        request: The request; None for the workspace's own, such as its original model.
        role: What it is: `edit`, `model`, `scorecard`, `certificate`, `forget-images`.
        sha256: Its digest.
        bytes: Its size, where it is a file.
    """

    seq: int
    request: str | None
    role: str
    sha256: str
    bytes: int | None


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One image of a request, by its digest.

    Attributes:
        target: Position of its class among the request's targets.
        sha256: Digest of the file.
        format: `png`, `jpeg`, …
        bytes: Size of the file.
    """

    target: int
    sha256: str
    format: str
    bytes: int

    @property
    def path(self) -> str:
        """Path below its request's folder in the quarantine."""
        return f"{self.target}/{self.sha256}.{self.format}"


def read_request(connection: sqlite3.Connection, request: str) -> Request:
    """One request.

    Raises:
        UnknownRequestError: There is none of this ID.
    """
    row = connection.execute("SELECT * FROM request WHERE id = ?", (request,)).fetchone()
    if row is None:
        raise UnknownRequestError(f"This workspace has no request {request!r:.80}. `expunge list` shows them.")
    return _request(row)


def read_requests(connection: sqlite3.Connection, state: State | None = None) -> tuple[Request, ...]:
    """All requests, or those in one state; the first one due comes first, then the first one received."""
    where, values = ("", ()) if state is None else ("WHERE state = ?", (state.value,))
    rows = connection.execute(f"SELECT * FROM request {where} ORDER BY due, received, id", values)
    return tuple(map(_request, rows))


def read_moves(connection: sqlite3.Connection, request: str | None) -> tuple[MoveRecord, ...]:
    """All moves of one request, or of the workspace as a whole, oldest first."""
    rows = connection.execute("SELECT * FROM move WHERE request IS ? ORDER BY seq", (request,))
    return tuple(MoveRecord(**{**dict(row), "clock_back": bool(row["clock_back"])}) for row in rows)


def read_artefacts(connection: sqlite3.Connection, request: str | None) -> tuple[ArtefactRecord, ...]:
    """All artefacts of one request, or of the workspace itself, oldest first."""
    rows = connection.execute("SELECT * FROM artefact WHERE request IS ? ORDER BY seq", (request,))
    return tuple(ArtefactRecord(**dict(row)) for row in rows)


def read_all_moves(connection: sqlite3.Connection) -> tuple[MoveRecord, ...]:
    """All moves there are, oldest first."""
    rows = connection.execute("SELECT * FROM move ORDER BY seq")
    return tuple(MoveRecord(**{**dict(row), "clock_back": bool(row["clock_back"])}) for row in rows)


def read_all_artefacts(connection: sqlite3.Connection) -> tuple[ArtefactRecord, ...]:
    """All artefacts there are, oldest first."""
    return tuple(ArtefactRecord(**dict(row)) for row in connection.execute("SELECT * FROM artefact ORDER BY seq"))


def read_digests(connection: sqlite3.Connection, request: str) -> tuple[str | None, str | None]:
    """The keyed digests of a request's subject and token."""
    row = connection.execute("SELECT subject, token FROM request WHERE id = ?", (request,)).fetchone()
    return row["subject"], row["token"]


def read_images(connection: sqlite3.Connection, request: str) -> tuple[ImageRecord, ...]:
    """Records of a request's images, whether they are still there or not."""
    query = "SELECT target, sha256, format, bytes FROM image WHERE request = ? ORDER BY target, sha256"
    return tuple(ImageRecord(**dict(row)) for row in connection.execute(query, (request,)))


def insert_request(connection: sqlite3.Connection, request: Request, **digests: str | None) -> None:
    """Adds a request; `digests` are its `subject` and `token`."""
    values = {**_values(request), **digests}
    names, places = ", ".join(values), ", ".join(f":{name}" for name in values)
    connection.execute(f"INSERT INTO request ({names}) VALUES ({places})", values)


def update_request(connection: sqlite3.Connection, request: Request) -> None:
    """Writes what may change of a request."""
    changing = ("state", "destroyed", "held_from", "approved_by", "legal_hold")
    assignments = ", ".join(f"{name} = :{name}" for name in changing)
    connection.execute(f"UPDATE request SET {assignments} WHERE id = :id", _values(request))


def _values(request: Request) -> dict[str, Any]:
    values = {name: getattr(request, name) for name in _COLUMNS}
    return values | {
        "targets": json.dumps(request.targets, ensure_ascii=False),
        "due": request.due.isoformat(),
        "legal_hold": int(request.legal_hold),
    }


def _request(row: sqlite3.Row) -> Request:
    try:
        return _as_request(row)
    except (ValueError, TypeError) as error:
        raise DamagedWorkspaceError(
            f"The row of request {row['id']!r:.80} holds what no request can: {error}. Restore it from a copy."
        ) from error


def _as_request(row: sqlite3.Row) -> Request:
    values = {name: row[name] for name in _COLUMNS}
    return Request(
        **values
        | {
            "state": State(row["state"]),
            "targets": tuple(json.loads(row["targets"])),
            "due": date.fromisoformat(row["due"]),
            "held_from": State(row["held_from"]) if row["held_from"] else None,
            "legal_hold": bool(row["legal_hold"]),
        }
    )
