"""The reading half of a workspace. It takes no key and writes nothing, so it works on a read-only disk, too."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

from expunge.errors import DamagedWorkspaceError
from expunge.ledger.log import Log
from expunge.workspace import rows
from expunge.workspace.artefacts import Artefacts
from expunge.workspace.audit import disagreements
from expunge.workspace.clock import Clock, moment
from expunge.workspace.creation import ARTEFACTS, QUARANTINE
from expunge.workspace.database import Database
from expunge.workspace.settings import Settings
from expunge.workspace.states import SETTLED, Request, State
from expunge.workspace.table import TableStorage
from expunge.workspace.transaction import is_on_hold


class WorkspaceReader:
    """What can be asked of an open workspace.

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
        """What was made for a request, oldest first; for the workspace itself with None."""
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
        """What the workspace's clock says."""
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
        """Where the tables and the ledger differ; empty unless somebody changed one of them by hand."""
        with self._database.reading() as connection:
            return disagreements(connection)

    @contextmanager
    def ledger_storage(self) -> Iterator[TableStorage]:
        """The ledger's bytes as they stood at one instant, for `expunge.ledger.check`."""
        with self._database.reading() as connection:
            yield TableStorage(connection)
