"""Files that are there whole or not at all, whenever the machine stops.

Bytes are on the disk before the name is; a name is on the disk once its folder is. Everything that a workspace writes
outside its database goes through here.
"""

import errno
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from expunge.durable import sync_folder, write_file
from expunge.errors import ExpungeError, OutputError, ReadOnlyWorkspaceError

DRAFT = ".draft-"
CHUNK = 1 << 20


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Turns a disk's refusal into an error that says what could not be written.

    Raises:
        ReadOnlyWorkspaceError: Nothing may be written there.
        OutputError: The disk is full, or fails.
    """
    try:
        yield
    except ExpungeError:
        raise
    except OSError as error:
        kind = ReadOnlyWorkspaceError if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM) else OutputError
        raise kind(f"{what} cannot be written: {error.strerror}.") from error


def write_whole(path: Path, chunks: Iterable[bytes]) -> tuple[str, int]:
    """Writes a file with mode 0600 under a draft's name, then gives it its own.

    Returns:
        Its SHA-256 in hexadecimal and its size.
    """
    draft = path.with_name(f"{DRAFT}{secrets.token_hex(8)}")
    try:
        written = write_durable(draft, chunks)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return written


def write_durable(path: Path, chunks: Iterable[bytes]) -> tuple[str, int]:
    """Writes a new file with mode 0600 and waits until its bytes are on the disk.

    Returns:
        Its SHA-256 in hexadecimal and its size.
    """
    digest, size = hashlib.sha256(), 0

    def counted() -> Iterator[bytes]:
        nonlocal size
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
            yield chunk

    write_file(path, counted(), mode=0o600, new=True)
    return digest.hexdigest(), size


def remove_folder(path: Path) -> None:
    """Removes a folder with all it holds, durably. A folder that is gone already is fine.

    A link is removed itself, at the top as further down; what it leads to is left alone.
    """
    if path.is_symlink():
        os.unlink(path)
        sync_folder(path.parent)
        return
    if not path.is_dir():
        return
    for entry in sorted(path.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            remove_folder(entry)
        else:
            os.unlink(entry)
    sync_folder(path)
    os.rmdir(path)
    sync_folder(path.parent)


def links_in(path: Path) -> tuple[Path, ...]:
    """The links in a folder at any depth, and the folder itself if it is one. None is followed."""
    if path.is_symlink():
        return (path,)
    below = [Path(root, name) for root, folders, files in os.walk(path) for name in (*folders, *files)]
    return tuple(sorted(one for one in below if one.is_symlink()))
