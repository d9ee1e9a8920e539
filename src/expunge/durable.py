"""Files and folders that are there whole or not at all, and stay so when the power fails. Nothing here imports torch.

The order is always the same: write under a hidden name, flush every file and every folder to the disk, rename, flush
the folder that holds the new name. A rename within one folder is atomic, so a reader sees the old or the new.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from expunge.errors import ExpungeError, OutputError

PARTIAL = ".partial"
"""Suffix of the hidden name of what is not finished."""


@contextmanager
def writing(place: Path, *refusals: type[Exception]) -> Iterator[None]:
    """Turns a disk that refuses into one error.

    Args:
        place: What is being written.
        refusals: How a library says that the disk refused, beside `OSError`.

    Raises:
        OutputError: Something inside could not be written.
    """
    try:
        yield
    except ExpungeError:  # some are OSErrors, too
        raise
    except (OSError, *refusals) as error:
        raise OutputError(f"cannot write to {place}: {getattr(error, 'strerror', None) or error}") from error


@contextmanager
def whole_folder(target: Path, *, mode: int = 0o777) -> Iterator[Path]:
    """Gives a new folder beside `target` to write into, and its name at the end; whatever goes wrong, nothing is left.

    Args:
        target: Must not exist, or be an empty folder.
        mode: Permissions of the folder, less the umask.

    Raises:
        OSError: The disk refuses, or `target` holds something.
    """
    partial = hidden(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    remove(partial)
    try:
        partial.mkdir(mode=mode)
        yield partial
        sync_tree(partial)
        if target.is_dir():
            target.rmdir()  # only if empty; some systems rename onto nothing but a free name
        partial.rename(target)
        sync_folder(target.parent)
    finally:
        remove(partial)


def replace_file(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Gives a file a new content; whoever reads it, now or after a crash, sees the old content or the new one."""
    partial = hidden(path)
    try:
        write_file(partial, data, mode=mode)
        partial.replace(path)
    except OSError:
        remove(partial)
        raise
    sync_folder(path.parent)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Gives a hidden name to write a file under, and its own at the end; whatever goes wrong, nothing is left."""
    partial = hidden(path)
    try:
        yield partial
        _sync(partial)
        partial.replace(path)
        sync_folder(path.parent)
    finally:
        remove(partial)


def write_file(path: Path, data: bytes | Iterable[bytes], *, mode: int = 0o666, new: bool = False) -> None:
    """Writes a file and waits until its bytes are on the disk.

    Args:
        path: The file.
        data: Its content, whole or in chunks.
        mode: Permissions of the file, less the umask.
        new: Whether to refuse an earlier file; else it is overwritten.

    Raises:
        OSError: The disk refuses, or there is a file of that name where it is to be new.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | (os.O_EXCL if new else os.O_TRUNC), mode)
    try:
        for chunk in (data,) if isinstance(data, bytes) else data:
            rest = memoryview(chunk)
            while rest:  # one call of the system may take a part of it
                rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def hidden(path: Path) -> Path:
    """The name that `path` has until it is finished."""
    return path.with_name(f".{path.name}{PARTIAL}")


def sync_tree(folder: Path) -> None:
    """Flushes every file and folder below `folder`, and `folder` itself, to the disk."""
    for root, _, names in os.walk(folder, topdown=False):
        for name in names:
            _sync(Path(root, name))
        sync_folder(Path(root))


def sync_folder(path: Path) -> None:
    """Waits until the names in a folder are on the disk; other than POSIX systems keep their order by themselves."""
    if os.name == "posix":
        _sync(path)


def remove(path: Path) -> None:
    """Deletes a file, a link or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
