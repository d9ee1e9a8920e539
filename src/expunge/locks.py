"""Locks between processes, on files and folders; a lock goes with its process, however that ends. Needs no torch."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # not a POSIX system: one process at a time is then up to the caller
    fcntl = None

LOCKS = fcntl is not None
"""True where this system can tell that another process holds a file."""


def lock(descriptor: int, *, shared: bool = False, wait: bool = False) -> bool:
    """Locks an open file or folder until it is closed or the process ends.

    Args:
        descriptor: The open file.
        shared: Whether others may share it.
        wait: Whether to wait for whoever has it.

    Returns:
        Whether it is locked: not where somebody else has it, nor where the system has no such locks.
    """
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


@contextmanager
def shared(path: Path) -> Iterator[None]:
    """Keeps `alone` from succeeding on the same file meanwhile, in any process."""
    with path.open("ab") as file:
        lock(file.fileno(), shared=True, wait=True)
        yield


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Whether nobody is within `shared` or `alone` on the same file; if so, nobody enters meanwhile."""
    with path.open("ab") as file:
        yield lock(file.fileno())


@contextmanager
def in_turn(path: Path) -> Iterator[None]:
    """Waits until nobody else has the file or folder, and has it while the context lasts."""
    if not LOCKS:
        yield
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o666)
    try:
        lock(descriptor, wait=True)
        yield
    finally:
        os.close(descriptor)
