"""Files that are there whole or not at all, whenever the machine stops: bytes first, then the name, then its folder."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from expunge.durable import sync_folder
from expunge.errors import ExpungeError, OutputError

try:
    import fcntl
except ImportError:  # not a POSIX system: one process at a time is then up to the caller
    fcntl = None

PARTIAL = ".partial"


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Turns a disk that refuses into one error.

    Raises:
        OutputError: Something inside could not be written.
    """
    try:
        yield
    except ExpungeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write to {place}: {error.strerror or error}") from error


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Gives a new folder beside `target` to write into, and its name at the end; whatever goes wrong, nothing is left.

    What is written into it must be synced already.
    """
    partial = target.with_name(f".{target.name}{PARTIAL}")
    target.parent.mkdir(parents=True, exist_ok=True)
    remove(partial)
    try:
        partial.mkdir(mode=0o700)
        yield partial
        sync_folder(partial)
        if target.is_dir():
            target.rmdir()  # only if empty; some systems rename onto nothing but a free name
        os.rename(partial, target)
        sync_folder(target.parent)
    finally:
        remove(partial)


def write_file(path: Path, data: bytes) -> None:
    """Writes a file with mode 0600, in place of an earlier one, and waits until its bytes are on the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, data: bytes) -> None:
    """Gives a file a new content; whoever reads it, now or after a crash, sees the old content or the new one."""
    partial = path.with_name(f".{path.name}{PARTIAL}")
    write_file(partial, data)
    os.replace(partial, path)
    sync_folder(path.parent)


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Waits until no other process is within the same on this folder."""
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Deletes a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
