"""The SQLite file: opening it, bringing it up to date, and transactions that keep other writers out from the start.

A transaction that reads first and locks later loses updates or fails half-way. So every one of ours begins with
BEGIN IMMEDIATE. With `synchronous=FULL` a commit that returned survives a loss of power.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from expunge.errors import (
    BusyWorkspaceError,
    DamagedWorkspaceError,
    NewerWorkspaceError,
    OutputError,
    ReadOnlyWorkspaceError,
    WorkspaceError,
)
from expunge.workspace._schema import MIGRATIONS, VERSION

BUSY_SECONDS = 30.0
_PROBLEMS: dict[int, tuple[type[WorkspaceError] | type[OutputError], str]] = {
    sqlite3.SQLITE_BUSY: (BusyWorkspaceError, "another process keeps it locked; try again"),
    sqlite3.SQLITE_LOCKED: (BusyWorkspaceError, "another process keeps it locked; try again"),
    sqlite3.SQLITE_READONLY: (ReadOnlyWorkspaceError, "it can be read, not written"),
    sqlite3.SQLITE_CANTOPEN: (ReadOnlyWorkspaceError, "it cannot be opened; look at the folder's permissions"),
    sqlite3.SQLITE_FULL: (OutputError, "the disk is full"),
    sqlite3.SQLITE_IOERR: (OutputError, "the disk fails or is full"),
    sqlite3.SQLITE_CORRUPT: (DamagedWorkspaceError, "it is damaged; restore it from a copy"),
    sqlite3.SQLITE_NOTADB: (DamagedWorkspaceError, "it is no SQLite database; restore it from a copy"),
}


class Database:
    """One connection. It belongs to the thread that opened it."""

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        """Opens a database that is there, and migrates it if it is writable and older.

        Raises:
            NewerWorkspaceError: A later version wrote it.
            DamagedWorkspaceError: It is missing or damaged.
            ReadOnlyWorkspaceError: It needs to be migrated or recovered, and may not be written.
        """
        self._path, self.writable = path, writable
        if not path.is_file():
            raise DamagedWorkspaceError(f"{path} is missing. Restore it from a copy.")
        with self._problems():
            self._connection = self._open("rw" if writable else self._reading_mode())
            version = self._version()
            if version > VERSION:
                raise NewerWorkspaceError(f"{path} has version {version}, and this expunge knows {VERSION}. Update it.")
            if version < VERSION:
                self._migrate()

    @classmethod
    def create(cls, path: Path) -> "Database":
        """An empty database with all tables, readable by its owner only."""
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        return cls(path)

    def close(self) -> None:
        """Closes the connection; an open transaction is undone."""
        self._connection.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The database as it stood at one instant, whatever is written meanwhile."""
        with self._problems():
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.execute("ROLLBACK")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything that is written inside, or nothing if something is raised. It is durable afterwards.

        Raises:
            BusyWorkspaceError: Another process wrote for longer than `BUSY_SECONDS`.
            ReadOnlyWorkspaceError: The file may not be written.
            OutputError: The disk is full, or fails.
        """
        if not self.writable:
            raise ReadOnlyWorkspaceError(f"{self._path.parent} can be read, not written.")
        if self._connection.in_transaction:
            raise WorkspaceError("A transaction of this workspace is open already. Do all of it in that one.")
        with self._problems():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # some failures of the disk undo it by themselves
                    self._connection.execute("ROLLBACK")
                raise

    def _open(self, mode: str) -> sqlite3.Connection:
        uri = f"{self._path.resolve().as_uri()}?{mode if '=' in mode else f'mode={mode}'}"
        # No isolation level: Python's own would begin transactions late and without a lock.
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_SECONDS)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
        if self.writable:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _reading_mode(self) -> str:
        """SQLite needs to write beside a database in WAL mode, unless it is told that nobody else does."""
        log = self._path.with_name(f"{self._path.name}-wal")
        return "mode=ro" if log.exists() else "mode=ro&immutable=1"

    def _version(self) -> int:
        return self._connection.execute("PRAGMA user_version").fetchone()[0]

    def _migrate(self) -> None:
        with self.transaction() as connection:
            # Another process may have done it while this one waited for the lock.
            for number in range(self._version(), VERSION):
                for statement in MIGRATIONS[number]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number + 1}")

    @contextmanager
    def _problems(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            # The lower byte is the kind of error; the others say in which part of SQLite it arose.
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code not in _PROBLEMS:
                raise
            kind, what = _PROBLEMS[code]
            raise kind(f"{self._path}: {what}.") from error
