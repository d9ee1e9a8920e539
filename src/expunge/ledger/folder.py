"""A ledger in a folder: `entries.jsonl`, one entry a line, and `checkpoints.txt`, one signed checkpoint a line.

Both files only ever grow. An entry is on the disk before the checkpoint that covers it is written; so a crash leaves
the old ledger, the new one, or the old one with a tail that no checkpoint covers. The next commit removes that tail.
A note has several lines but no tabs: its newlines are stored as tabs.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from expunge.durable import sync_folder
from expunge.errors import LedgerDamagedError, LedgerNotFoundError, OutputError
from expunge.ledger.storage import conflict
from expunge.locks import in_turn

ENTRIES, CHECKPOINTS, LOCK = "entries.jsonl", "checkpoints.txt", "lock"


class FolderStorage:
    """A store in two files. Reading writes nothing, so that a ledger can be checked on a read-only disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offsets: tuple[int, int, int] | None = None  # size of the ledger and of both files after our commit

    @classmethod
    def create(cls, path: Path) -> "FolderStorage":
        """An empty store.

        Raises:
            OutputError: There is a ledger already, or the folder cannot be written.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            for name in (ENTRIES, CHECKPOINTS):
                with (path / name).open("xb") as file:
                    os.fsync(file.fileno())
            sync_folder(path)
        except FileExistsError as error:
            raise OutputError(f"{path} holds a ledger already.") from error
        except OSError as error:
            raise OutputError(f"The ledger {path} cannot be written: {error.strerror}.") from error
        return cls(path)

    def size(self) -> int:
        """See `Storage.size`."""
        return self._read(CHECKPOINTS).count(b"\n")

    def entries(self, start: int = 0, stop: int | None = None) -> Sequence[bytes]:
        """See `Storage.entries`. A line that a crash cut short counts as an entry here."""
        return _lines(self._read(ENTRIES))[start:stop]

    def checkpoints(self, start: int = 0, stop: int | None = None) -> Sequence[str]:
        """See `Storage.checkpoints`. A line that a crash cut short is left out."""
        whole = self._read(CHECKPOINTS).rpartition(b"\n")[0]
        notes = whole.split(b"\n")[start:stop] if whole else []
        return [note.decode("utf-8", "replace").replace("\t", "\n") for note in notes]

    def commit(self, at: int, entry: bytes, checkpoint: str) -> None:
        """See `Storage.commit`."""
        try:
            with in_turn(self._path / LOCK):
                entries_end, checkpoints_end = self._ends(at)
                entries_end = _append(self._path / ENTRIES, entries_end, entry)
                checkpoints_end = _append(
                    self._path / CHECKPOINTS, checkpoints_end, checkpoint.replace("\n", "\t").encode()
                )
                self._offsets = (at + 1, entries_end, checkpoints_end)
        except OSError as error:
            if isinstance(error, LedgerNotFoundError):
                raise
            raise OutputError(f"The ledger {self._path} cannot be written: {error.strerror}.") from error

    def _ends(self, at: int) -> tuple[int, int]:
        """Number of bytes of both files that belong to the first `at` entries."""
        stored = ((self._path / ENTRIES).stat().st_size, (self._path / CHECKPOINTS).stat().st_size)
        if self._offsets == (at, *stored):
            return stored
        checkpoints = self._read(CHECKPOINTS)
        if checkpoints.count(b"\n") != at:
            raise conflict(at, checkpoints.count(b"\n"))
        entries = _lines(self._read(ENTRIES))
        if len(entries) < at:
            raise LedgerDamagedError(
                f"{self._path / ENTRIES} holds {len(entries)} entries, and {at} were signed. Restore it from a copy."
            )
        return sum(len(line) + 1 for line in entries[:at]), checkpoints.rfind(b"\n") + 1

    def _read(self, name: str) -> bytes:
        try:
            return (self._path / name).read_bytes()
        except OSError as error:
            raise LedgerNotFoundError(f"{self._path} holds no ledger that can be read: {error.strerror}.") from error


def _lines(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def _append(path: Path, end: int, line: bytes) -> int:
    """Makes `line` follow on the first `end` bytes of a file, durably, and returns where the file ends then."""
    with path.open("r+b", buffering=0) as file:
        if file.seek(0, os.SEEK_END) > end:
            file.truncate(end)
        # Where only the newline before `end` is missing, this writes it; everywhere else it changes nothing.
        data = (b"\n" if end else b"") + line + b"\n"
        file.seek(max(end - 1, 0))
        while data:
            data = data[file.write(data) :]
        os.fsync(file.fileno())
        return file.tell()
