"""Storage of a ledger's bytes: the protocol that a store answers, and the store in memory."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from expunge.errors import LedgerConflictError


@runtime_checkable
class Storage(Protocol):
    """Pairs of an entry and the checkpoint that was signed over all entries up to it.

    A store knows nothing of their meaning. Whatever it returns is verified by the reader.
    """

    def size(self) -> int:
        """Number of stored checkpoints; an entry beyond them was never committed."""
        ...

    def entries(self, start: int = 0, stop: int | None = None) -> Sequence[bytes]:
        """Stored entries from `start` up to `stop`, oldest first, including what lies beyond `size`."""
        ...

    def checkpoints(self, start: int = 0, stop: int | None = None) -> Sequence[str]:
        """Stored checkpoints from `start` up to `stop`, oldest first."""
        ...

    def commit(self, at: int, entry: bytes, checkpoint: str) -> None:
        """Stores one pair durably at index `at`, or nothing at all, whenever the machine stops.

        Raises:
            LedgerConflictError: `at` is not `size()`: another writer came first.
            LedgerDamagedError: What is stored cannot be extended.
            OutputError: It cannot be written.
        """
        ...


class MemoryStorage:
    """A store that ends with the process."""

    def __init__(self) -> None:
        self._entries: list[bytes] = []
        self._checkpoints: list[str] = []

    def size(self) -> int:
        """See `Storage.size`."""
        return len(self._checkpoints)

    def entries(self, start: int = 0, stop: int | None = None) -> Sequence[bytes]:
        """See `Storage.entries`."""
        return self._entries[start:stop]

    def checkpoints(self, start: int = 0, stop: int | None = None) -> Sequence[str]:
        """See `Storage.checkpoints`."""
        return self._checkpoints[start:stop]

    def commit(self, at: int, entry: bytes, checkpoint: str) -> None:
        """See `Storage.commit`."""
        if at != self.size():
            raise conflict(at, self.size())
        self._entries.append(entry)
        self._checkpoints.append(checkpoint)


def conflict(expected: int, found: int) -> LedgerConflictError:
    """The exception for a writer that came too late."""
    return LedgerConflictError(
        f"Expected a ledger of {expected} entries, found {found}: another writer came first. Open it again."
    )
