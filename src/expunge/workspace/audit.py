"""Holds the tables against the ledger: whoever changes a row by hand cannot sign an entry that says the same."""

import sqlite3
from dataclasses import dataclass, field

from expunge.ledger.entries import Artefact, Destruction, Entry, StateMove
from expunge.workspace.rows import read_requests
from expunge.workspace.table import TableStorage
from expunge.workspace.transaction import LEGAL_HOLD, LEGAL_HOLD_LIFTED


@dataclass(slots=True)
class _Told:
    """What the ledger tells of one request."""

    state: str = ""
    images: str | None = None
    destroyed: str | None = None
    legal_hold: bool = False
    artefacts: set[tuple[int, str, str]] = field(default_factory=set)

    def hear(self, entry: Entry) -> None:
        facts = entry.facts
        if isinstance(facts, StateMove):
            self.state = facts.after
            self.legal_hold = {LEGAL_HOLD: True, LEGAL_HOLD_LIFTED: False}.get(facts.reason or "", self.legal_hold)
        elif isinstance(facts, Artefact):
            self.artefacts.add((entry.seq, facts.role, facts.sha256))
            self.images = facts.sha256 if facts.role == "forget-images" else self.images
        elif isinstance(facts, Destruction) and facts.what == "forget-images":
            self.destroyed = entry.time


def disagreements(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Where the tables and the ledger differ, one sentence each. The ledger itself is checked by `expunge.ledger`."""
    told: dict[str, _Told] = {}
    for line in TableStorage(connection).entries():
        entry = Entry.parse(line)
        if entry.request is not None:
            told.setdefault(entry.request, _Told()).hear(entry)
    requests = {request.id: request for request in read_requests(connection)}
    found = [
        f"Request {lost} is in the ledger and not in the tables." for lost in sorted(told.keys() - requests.keys())
    ]
    rows: dict[str, set[tuple[int, str, str]]] = {}
    for row in connection.execute("SELECT request, seq, role, sha256 FROM artefact WHERE request IS NOT NULL"):
        rows.setdefault(row["request"], set()).add((row["seq"], row["role"], row["sha256"]))
    for request in requests.values():
        says = told.get(request.id, _Told())
        pairs = {
            "state": (request.state.value, says.state),
            "digest of images": (request.images_sha256, says.images),
            "destruction": (request.destroyed, says.destroyed),
            "legal hold": (request.legal_hold, says.legal_hold),
            "artefacts": (rows.get(request.id, set()), says.artefacts),
        }
        differing = [name for name, (table, ledger) in pairs.items() if table != ledger]
        if differing:
            found.append(f"Request {request.id}: the tables and the ledger differ in {', '.join(differing)}.")
    return tuple(found)
