"""The ledger in a table of the workspace's database, so that a move and its entry are one commit."""

import sqlite3
from collections.abc import Sequence

from expunge.errors import LedgerError
from expunge.ledger import conflict


class TableStorage:
    """A ledger's store (`expunge.ledger.Storage`) whose commit takes part in the caller's transaction.

    What `commit` stores becomes durable, visible to others, or undone with everything else in that transaction.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def size(self) -> int:
        """See `Storage.size`."""
        return self._connection.execute("SELECT coalesce(max(seq) + 1, 0) FROM ledger").fetchone()[0]

    def entries(self, start: int = 0, stop: int | None = None) -> Sequence[bytes]:
        """See `Storage.entries`."""
        return [row[0] for row in self._rows("entry", start, stop)]

    def checkpoints(self, start: int = 0, stop: int | None = None) -> Sequence[str]:
        """See `Storage.checkpoints`."""
        # As bytes: SQLite may hold a text that is no UTF-8, and it is for the ledger's check to say where.
        return [row[0].decode("utf-8", "replace") for row in self._rows("CAST(checkpoint AS BLOB)", start, stop)]

    def commit(self, at: int, entry: bytes, checkpoint: str) -> None:
        """See `Storage.commit`; durable once the caller's transaction is.

        Raises:
            LedgerError: There is no transaction to be part of.
        """
        if not self._connection.in_transaction:
            raise LedgerError("An entry of a workspace's ledger is written in a transaction of that workspace.")
        if at != self.size():
            raise conflict(at, self.size())
        self._connection.execute("INSERT INTO ledger VALUES (?, ?, ?)", (at, entry, checkpoint))

    def _rows(self, column: str, start: int, stop: int | None) -> list[sqlite3.Row]:
        end = self.size() if stop is None else stop
        query = f"SELECT {column} FROM ledger WHERE seq >= ? AND seq < ? ORDER BY seq"
        return self._connection.execute(query, (start, end)).fetchall()
