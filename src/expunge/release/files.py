"""Files and folders that appear whole or not at all, and stay so when the power fails.

The order is always the same: write under a hidden name, flush every file and every folder to the disk, rename, flush
the folder that holds the new name. A rename within one folder is atomic, so a reader sees the old or the new.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from expunge.errors import ExpungeError, OutputError, ReleaseDamagedError

PARTIAL, REMOVED = ".partial", ".removed"


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Turns a disk that refuses into one error.

    Raises:
        OutputError: Something inside could not be written.
    """
    try:
        yield
    except ExpungeError:  # some are OSErrors, too
        raise
    except (OSError, SafetensorError) as error:
        raise OutputError(f"cannot write to {place}: {getattr(error, 'strerror', None) or error}") from error


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Gives a new folder beside `target` to write into, and its name at the end; whatever goes wrong, nothing is left.

    Raises:
        OutputError: The disk refuses, or `target` holds something.
    """
    partial = target.with_name(f".{target.name}{PARTIAL}")
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        remove(partial)
        try:
            partial.mkdir()
            yield partial
            sync_tree(partial)
            if target.is_dir():
                target.rmdir()  # only if empty; some systems rename onto nothing but a free name
            partial.rename(target)
            sync(target.parent)
        finally:
            remove(partial)


def replace_file(path: Path, data: bytes) -> None:
    """Gives a file a new content; whoever reads it sees the old content or the new one."""
    partial = path.with_name(f".{path.name}{PARTIAL}")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync(path.parent)


def sync_tree(folder: Path) -> None:
    """Flushes every file and folder below `folder`, and `folder` itself, to the disk."""
    for root, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync(Path(root, name))
        sync(Path(root))


def sync(path: Path) -> None:
    """Flushes a file or a folder to the disk; a system that cannot open folders keeps their order by itself."""
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put_aside(path: Path, beside: Path) -> None:
    """Takes a folder away at once, then deletes it: cut off in between, it has left its place already."""
    gone = beside.with_name(f".{beside.name}{REMOVED}")
    path.rename(gone)
    sync(path.parent)
    shutil.rmtree(gone)


def remove_leftovers(folder: Path) -> None:
    """Deletes what a crash left under hidden names."""
    for path in folder.glob(".*"):
        if path.name.endswith((PARTIAL, REMOVED)):
            remove(path)


def remove(path: Path) -> None:
    """Deletes a file, a link or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


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
