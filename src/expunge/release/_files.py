"""File operations on a folder of releases beside writing them whole, which is `expunge.durable`'s concern."""

import hashlib
import shutil
from pathlib import Path

from expunge.durable import PARTIAL, remove, sync_folder
from expunge.errors import ReleaseDamagedError

REMOVED = ".removed"
"""Suffix of the hidden name of what is being deleted."""


def put_aside(path: Path, beside: Path) -> None:
    """Takes a folder away at once, then deletes it: cut off in between, it has left its place already."""
    gone = beside.with_name(f".{beside.name}{REMOVED}")
    path.rename(gone)
    sync_folder(path.parent)
    shutil.rmtree(gone)


def remove_leftovers(folder: Path) -> None:
    """Deletes what a crash left under hidden names."""
    for path in folder.glob(".*"):
        if path.name.endswith((PARTIAL, REMOVED)):
            remove(path)


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by its path with forward slashes, sorted.

    Raises:
        ReleaseDamagedError: Something is neither a file nor a folder, such as a link, or cannot be read.
    """
    found = {}
    try:
        for path in sorted(folder.rglob("*")):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise ReleaseDamagedError(f"{path} is neither a file nor a folder, but a release holds nothing else.")
            if path.is_file():
                found[path.relative_to(folder).as_posix()] = file_digest(path)
    except OSError as error:
        raise ReleaseDamagedError(f"{folder} cannot be read: {error.strerror or error}.") from error
    return found


def file_digest(path: Path) -> str:
    """SHA-256 of one file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
