"""Locks between processes, one beside each file that is being made; a lock goes with its process, however it ends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from expunge.locks import LOCKS, lock


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Whether this process has the file `path` to itself while the context lasts; it does not wait for another one."""
    descriptor = _locked(path, wait=False)
    try:
        yield descriptor is not None
    finally:
        _give_back(path, descriptor)


@contextmanager
def in_turn(path: Path) -> Iterator[None]:
    """Waits until this process has the file `path` to itself, and has it while the context lasts."""
    descriptor = _locked(path, wait=True)
    try:
        yield
    finally:
        _give_back(path, descriptor)


def _locked(path: Path, *, wait: bool) -> int | None:
    """A locked descriptor of the lock that lies beside `path` now; None if it is taken and not to be waited for.

    Whoever gives a lock back deletes it. A process that had it open by then locks a file that nobody else will find,
    so it looks again.
    """
    while True:
        descriptor = os.open(_beside(path), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if not lock(descriptor, wait=wait) and LOCKS:
                os.close(descriptor)
                return None
            if _is_there(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_there(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), _beside(path).stat())
    except FileNotFoundError:
        return False


def _give_back(path: Path, descriptor: int | None) -> None:
    if descriptor is None:
        return
    _beside(path).unlink(missing_ok=True)  # while it is still held: what lies there is this very lock
    os.close(descriptor)


def _beside(path: Path) -> Path:
    return path.with_suffix(".lock")
