"""Holds the tables and `workspace.json` against the ledger: whoever changes them cannot sign entries that say the same.

What an entry says in words is compared as it is. Names of actors, reasons and what a request asks for are in the ledger
as keyed digests; they can only be compared by whoever may read the secret of the pseudonyms.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from expunge.ledger import Artefact, StateMove
from expunge.workspace._ledger_view import LedgerView, ledger_views
from expunge.workspace._table import TableStorage
from expunge.workspace.pseudonyms import Pseudonyms
from expunge.workspace.rows import (
    ArtefactRecord,
    MoveRecord,
    read_all_artefacts,
    read_all_moves,
    read_digests,
    read_images,
    read_requests,
)
from expunge.workspace.settings import Settings
from expunge.workspace.states import Request
from expunge.workspace.submission import digest_of, facts_of

R = TypeVar("R", MoveRecord, ArtefactRecord)


@dataclass(frozen=True, slots=True)
class Audit:
    """Result of an audit.

    Attributes:
        altered: Where tables, settings or releases are not what the ledger says, one sentence each.
        unchecked: What could not be compared, and why.
    """

    altered: tuple[str, ...]
    unchecked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Auditor:
    """Compares under one reading of the database; `pseudonyms` is None where the secret may not be read."""

    connection: sqlite3.Connection
    pseudonyms: Pseudonyms | None

    def told(self) -> dict[str | None, LedgerView]:
        """State that the ledger tells; see `ledger_views`."""
        return ledger_views(TableStorage(self.connection).entries())

    def tables(self, told: Mapping[str | None, LedgerView]) -> list[str]:
        """Differences of the tables from what the ledger tells."""
        requests = {request.id: request for request in read_requests(self.connection)}
        known = {one for one in told if one is not None}
        found = [f"Request {one} is in the ledger and not in the tables." for one in sorted(known - requests.keys())]
        moves = _by_owner(read_all_moves(self.connection))
        artefacts = _by_owner(read_all_artefacts(self.connection))
        for owner in (None, *requests):
            says = told.get(owner, LedgerView())
            pairs = {} if owner is None else self._facts(requests[owner], says)
            pairs["moves"] = self._moves_agree(moves.get(owner, []), says)
            pairs["artefacts"] = _artefacts_agree(artefacts.get(owner, []), says)
            differing = [name for name, same in pairs.items() if not same]
            if differing:
                who = "The workspace as a whole" if owner is None else f"Request {owner}"
                found.append(f"{who}: the tables and the ledger differ in {', '.join(differing)}.")
        return found

    def settings(self, settings: Settings, says: LedgerView, four_eyes: bool | None) -> list[str]:
        """Differences of `workspace.json` from what the ledger tells.

        Args:
            settings: What the file holds.
            says: What the ledger tells of the workspace as a whole.
            four_eyes: What the policy demands that the ledger names; None if it cannot be read.
        """
        same = {
            "policy": settings.policy == says.policy,
            "four_eyes": four_eyes is None or settings.four_eyes == four_eyes,
            "model's digest": settings.model.sha256 == says.model,
            "classes, task, files or origin": self.pseudonyms is None
            or says.facts in (None, self.pseudonyms.of("settings", settings.facts())),
        }
        differing = [name for name, agrees in same.items() if not agrees]
        return [f"workspace.json and the ledger differ in {', '.join(differing)}."] if differing else []

    def unchecked(self, told: Mapping[str | None, LedgerView]) -> list[str]:
        """Parts that could not be compared."""
        if self.pseudonyms is None:
            return [
                "The secret of the pseudonyms cannot be read, so names of actors, reasons, targets, due days and "
                "references to persons were not compared."
            ]
        old = sorted(one for one, says in told.items() if one is not None and says.facts is None)
        return [
            f"Request {one} came in before its targets, due day, image list, reference and token were recorded: they "
            "cannot be checked."
            for one in old
        ]

    def _facts(self, request: Request, says: LedgerView) -> dict[str, bool]:
        images = read_images(self.connection, request.id)
        return {
            "state": request.state.value == says.state,
            "time of receipt": request.received == says.received,
            "digest of images": request.images_sha256 == says.images,
            "list of images": len(images) == request.images
            and digest_of(image.sha256 for image in images) == says.images,
            "destruction": request.destroyed == says.destroyed,
            "hold": (request.held_from and request.held_from.value) == says.held_from,
            "legal hold": request.legal_hold == says.legal_hold,
            "approval": self._approval_agrees(request, says),
            "reason": request.reason == self._first_reason(request),
            "targets, due day, images, reference or token": self.pseudonyms is None
            or says.facts is None
            or self.pseudonyms.of("request", facts_of(request, images, read_digests(self.connection, request.id)))
            == says.facts,
        }

    def _first_reason(self, request: Request) -> str | None:
        """The reason in the move by which a request came in, which is compared with its keyed digest as all moves."""
        rows = self.connection.execute("SELECT reason FROM move WHERE request = ? ORDER BY seq LIMIT 1", (request.id,))
        row = rows.fetchone()
        return None if row is None else row[0]

    def _approval_agrees(self, request: Request, says: LedgerView) -> bool:
        if says.approval is None or request.approved_by is None:
            return says.approval is None and request.approved_by is None
        row = self.connection.execute("SELECT actor, role FROM move WHERE seq = ?", (says.approval.seq,)).fetchone()
        return row is not None and row["actor"] == request.approved_by

    def _moves_agree(self, rows: list[MoveRecord], says: LedgerView) -> bool:
        return [row.seq for row in rows] == list(says.moves) and all(self._move_agrees(row, says) for row in rows)

    def _move_agrees(self, row: MoveRecord, says: LedgerView) -> bool:
        entry = says.moves[row.seq]
        facts = entry.facts
        assert isinstance(facts, StateMove)
        said = (facts.before, facts.after, facts.reason, entry.time, facts.reason_sha256 is None)
        if (row.before, row.after, row.code, row.time, row.reason is None) != said:
            return False
        if not entry.actor.startswith(f"{row.role}-"):
            return False
        if self.pseudonyms is None:
            return True
        reason = None if row.reason is None else self.pseudonyms.of("reason", row.reason)
        return (self.pseudonyms.actor(row.role, row.actor), reason) == (entry.actor, facts.reason_sha256)


def _by_owner(rows: Iterable[R]) -> dict[str | None, list[R]]:
    found: dict[str | None, list[R]] = {}
    for row in rows:
        found.setdefault(row.request, []).append(row)
    return found


def _artefacts_agree(rows: list[ArtefactRecord], says: LedgerView) -> bool:
    facts = {seq: entry.facts for seq, entry in says.artefacts.items()}
    said = {seq: (one.role, one.sha256, one.bytes) for seq, one in facts.items() if isinstance(one, Artefact)}
    return {row.seq: (row.role, row.sha256, row.bytes) for row in rows} == said
