"""Presence of a runner, known at once on one machine, long before its lease ends."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from expunge.locks import LOCKS, lock


class Presence:
    """A runner's sign of life: a locked file. The system lets go of it when the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.name = folder, f"runner-{secrets.token_hex(6)}"
        self._file = (folder / self.name).open("xb")
        lock(self._file.fileno())

    def leave(self) -> None:
        """Ends the runner; its unfinished plans can be taken over at once."""
        (self._folder / self.name).unlink(missing_ok=True)
        self._file.close()

    def is_here(self, other: str) -> bool:
        """Whether another runner is known to be alive, however long it has been silent."""
        return LOCKS and not self.is_gone(other)

    def is_gone(self, other: str) -> bool:
        """Whether another runner has ended. On a system without such locks only the lease tells."""
        try:
            with (self._folder / other).open("rb") as file:
                gone = lock(file.fileno())
        except FileNotFoundError:
            return True
        if gone:
            with suppress(FileNotFoundError):
                os.unlink(self._folder / other)
        return gone
