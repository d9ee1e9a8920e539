"""Files and folders kept under their SHA-256, so that nobody can mistake or exchange one.

A file gets its name after its bytes are on the disk, and every reading compares them with the name. So what a crash
or a failing disk left is never believed. A folder is kept as a list of its files, which is an artefact itself.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import Field

from expunge.durable import sync_folder
from expunge.errors import DamagedWorkspaceError, LedgerError, OutputError
from expunge.ledger import Count, Record, Sha256, read_record
from expunge.workspace.disk import CHUNK, DRAFT, write_whole, writing

LISTING = "expunge/folder/v1"
_MOST_LISTING_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Digest:
    """Digest of what was stored: SHA-256 in hexadecimal, and size in bytes, for a folder that of all its files."""

    sha256: str
    bytes: int


class _File(Record):
    name: str
    sha256: Sha256
    bytes: Count


class _Listing(Record):
    schema_: Annotated[Literal["expunge/folder/v1"], Field(alias="schema")] = LISTING
    files: tuple[_File, ...]


class Artefacts:
    """The store in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes | Path) -> Digest:
        """Stores bytes or the content of a file, durably. What is there already and sound is not written again.

        Raises:
            OutputError: It cannot be written; nothing is left.
        """
        with writing(f"The artefact store {self._folder}"):
            sha256 = _digest(_chunks(data))
            target = self._place(sha256)
            if not (target.is_file() and _digest(_chunks(target)) == sha256):
                if not target.parent.is_dir():
                    target.parent.mkdir(mode=0o700, exist_ok=True)
                    sync_folder(self._folder)
                if write_whole(target, _chunks(data))[0] != sha256:  # the file changed while it was read
                    os.unlink(target)
                    raise OutputError(f"{data} is being written to. Store it once it is finished.")
            return Digest(sha256, target.stat().st_size)

    def put_folder(self, folder: Path) -> Digest:
        """Stores a folder: the plain files in it, at any depth, by their paths.

        Raises:
            OutputError: It cannot be written.
        """
        files = []
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            digest = self.put(path)
            files.append(_File(name=path.relative_to(folder).as_posix(), sha256=digest.sha256, bytes=digest.bytes))
        listing = self.put(_Listing(files=tuple(files)).to_bytes())
        return Digest(listing.sha256, sum(file.bytes for file in files))

    def path(self, sha256: str) -> Path:
        """Path of an artefact, after its bytes were compared with its name. Do not write to it.

        Raises:
            DamagedWorkspaceError: It is missing or damaged.
        """
        found = self._place(sha256)
        try:
            sound = _digest(_chunks(found)) == sha256
        except OSError as error:
            raise DamagedWorkspaceError(f"The artefact {found} cannot be read: {error.strerror}.") from error
        if not sound:
            raise DamagedWorkspaceError(f"The artefact {found} is damaged: its bytes are not those of its name.")
        return found

    def read(self, sha256: str) -> bytes:
        """The bytes of an artefact.

        Raises:
            DamagedWorkspaceError: It is missing or damaged.
        """
        data = self.path(sha256).read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:  # somebody wrote to it since
            raise DamagedWorkspaceError(f"The artefact {sha256} is damaged.")
        return data

    def take_folder(self, sha256: str, into: Path) -> None:
        """Writes a stored folder to an empty or new one.

        Raises:
            DamagedWorkspaceError: Something of it is missing or damaged, or this is no folder.
            OutputError: It cannot be written.
        """
        listing = self._listing(sha256)
        with writing(str(into)):
            for file in listing.files:
                name = PurePosixPath(file.name)
                if name.is_absolute() or ".." in name.parts:
                    raise DamagedWorkspaceError(f"The artefact {sha256} holds a path that leads out of its folder.")
                target = into / name
                target.parent.mkdir(parents=True, exist_ok=True)
                written, _ = write_whole(target, _chunks(self._place(file.sha256)))
                if written != file.sha256:
                    target.unlink()
                    raise DamagedWorkspaceError(f"The artefact {file.sha256} is damaged.")

    def read_in(self, sha256: str, name: str) -> bytes:
        """The bytes of one file of a stored folder.

        Raises:
            DamagedWorkspaceError: It is missing or damaged, or this is no folder.
        """
        found = [file.sha256 for file in self._listing(sha256).files if file.name == name]
        if not found:
            raise DamagedWorkspaceError(f"The artefact {sha256} holds no file {name}.")
        return self.read(found[0])

    def _listing(self, sha256: str) -> _Listing:
        try:
            return read_record(
                _Listing, self.read(sha256), limit=_MOST_LISTING_BYTES, what="folder", version=("schema", LISTING)
            )
        except LedgerError as error:
            raise DamagedWorkspaceError(f"The artefact {sha256} is no folder that can be read. {error}") from error

    def sweep(self) -> None:
        """Removes what interrupted writers left. Nobody may be writing meanwhile."""
        for draft in self._folder.glob(f"*/{DRAFT}*"):
            os.unlink(draft)

    def _place(self, sha256: str) -> Path:
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise DamagedWorkspaceError(f"Expected a SHA-256 in hexadecimal, got {sha256!r:.80}")
        return self._folder / sha256[:2] / sha256


def _chunks(data: bytes | Path) -> Iterator[bytes]:
    if isinstance(data, bytes):
        yield data
        return
    with data.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _digest(chunks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()
