"""The reading half of a workspace. It takes no key and writes nothing, so it works on a read-only disk, too."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

from expunge.errors import DamagedWorkspaceError, PolicyError
from expunge.ledger import Artefact, Log
from expunge.workspace import rows
from expunge.workspace._audit import Audit, Auditor
from expunge.workspace._database import Database
from expunge.workspace._ledger_view import LedgerView
from expunge.workspace._table import TableStorage
from expunge.workspace.artefacts import Artefacts
from expunge.workspace.clock import Clock, moment
from expunge.workspace.creation import ARTEFACTS, KEYS, QUARANTINE, SECRET, policy_facts
from expunge.workspace.pseudonyms import Pseudonyms
from expunge.workspace.published import RELEASE, RELEASES, altered_releases
from expunge.workspace.settings import Settings
from expunge.workspace.states import SETTLED, Request, State
from expunge.workspace.transaction import is_on_hold


class WorkspaceReader:
    """Queries on an open workspace.

    Attributes:
        path: Its folder.
        settings: What it was made for.
        artefacts: The store of what was made.
    """

    def __init__(self, path: Path, settings: Settings, database: Database, clock: Clock) -> None:
        self.path, self.settings, self.artefacts = path, settings, Artefacts(path / ARTEFACTS)
        self._database, self._clock = database, clock

    def request(self, request: str) -> Request:
        """One request.

        Raises:
            UnknownRequestError: There is none of this ID.
        """
        with self._database.reading() as connection:
            return rows.read_request(connection, request)

    def requests(self, state: State | None = None) -> tuple[Request, ...]:
        """All requests, or those in one state; the first one due comes first."""
        with self._database.reading() as connection:
            return rows.read_requests(connection, state)

    def moves(self, request: str | None) -> tuple[rows.MoveRecord, ...]:
        """All moves of a request, oldest first; of the workspace as a whole with None."""
        with self._database.reading() as connection:
            return rows.read_moves(connection, request)

    def artefact_records(self, request: str | None) -> tuple[rows.ArtefactRecord, ...]:
        """Artefacts of a request, oldest first; of the workspace itself with None."""
        with self._database.reading() as connection:
            return rows.read_artefacts(connection, request)

    def images(self, request: str) -> dict[str, tuple[Path, ...]]:
        """The images of a request that is not settled, by target.

        Raises:
            DamagedWorkspaceError: They are destroyed, or one is missing.
        """
        found = self.request(request)
        with self._database.reading() as connection:
            records = rows.read_images(connection, request)
        folder = self.path / QUARANTINE / request
        if found.destroyed is not None or not all((folder / image.path).is_file() for image in records):
            raise DamagedWorkspaceError(
                f"The images of request {request} are {'destroyed' if found.destroyed else 'not all there'}."
            )
        return {
            target: tuple(folder / image.path for image in records if image.target == position)
            for position, target in enumerate(found.targets)
        }

    def on_hold(self) -> bool:
        """Whether the whole workspace is on hold."""
        with self._database.reading() as connection:
            return is_on_hold(connection)

    def destroyable(self) -> tuple[Request, ...]:
        """The settled requests whose images are still there although no hold stands: their destruction is due."""
        if self.on_hold():
            return ()
        settled = (request for request in self.requests() if request.state in SETTLED)
        return tuple(request for request in settled if request.destroyed is None and not request.legal_hold)

    def overdue(self) -> tuple[Request, ...]:
        """The requests whose time limit has passed, by the workspace's clock in UTC."""
        return tuple(request for request in self.requests() if request.is_overdue(self.today()))

    def now(self) -> datetime:
        """Time by the workspace's clock."""
        return self._clock()

    def today(self) -> date:
        """The day in UTC."""
        return date.fromisoformat(moment(self.now())[:10])

    def policy(self) -> bytes:
        """The text of the policy that decides, as it was when the workspace was made."""
        return self.artefacts.read(self.settings.policy)

    def ledger(self) -> Log:
        """The ledger, for reading and proving."""
        with self._database.reading() as connection:
            return Log(TableStorage(connection))

    def disagreements(self) -> tuple[str, ...]:
        """The sentences of `audit` on what was altered; empty unless somebody changed something by hand."""
        return self.audit().altered

    def audit(self) -> Audit:
        """Holds tables, `workspace.json` and releases against the ledger, which `expunge.ledger` checks itself.

        Raises:
            LedgerError: An entry is malformed.
            DamagedWorkspaceError: A row holds what no request can.
        """
        with self._database.reading() as connection:
            auditor = Auditor(connection, self._pseudonyms_if_readable())
            told = auditor.told()
            altered = auditor.tables(told)
            unchecked = auditor.unchecked(told)
        four_eyes = None
        try:
            _, four_eyes = policy_facts(self.artefacts.read(told[None].policy or ""), "the policy in the ledger")
        except (DamagedWorkspaceError, PolicyError) as error:
            altered.append(f"The policy that the ledger names cannot be read. {error}")
        altered += auditor.settings(self.settings, told[None], four_eyes)
        altered += altered_releases(self.path / RELEASES, *_releases(told))
        return Audit(tuple(altered), tuple(unchecked))

    def _pseudonyms_if_readable(self) -> Pseudonyms | None:
        path = self.path / KEYS / SECRET
        return Pseudonyms.load(path) if os.access(path, os.R_OK) else None

    @contextmanager
    def ledger_storage(self) -> Iterator[TableStorage]:
        """The ledger's bytes as they stood at one instant, for `expunge.ledger.check`."""
        with self._database.reading() as connection:
            yield TableStorage(connection)


def _releases(told: Mapping[str | None, LedgerView]) -> tuple[list[str], str | None]:
    """Digests of the release records that the ledger holds, and of the model that may be served by it."""
    entries = sorted((entry for one in told.values() for entry in one.artefacts.values()), key=lambda entry: entry.seq)
    artefacts = [entry.facts for entry in entries if isinstance(entry.facts, Artefact)]
    models = [one.sha256 for one in artefacts if one.role == "model"]
    return [one.sha256 for one in artefacts if one.role == RELEASE], models[-1] if models else None
