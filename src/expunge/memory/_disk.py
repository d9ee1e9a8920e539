"""One error for a disk that refuses, and one process at a time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from expunge.errors import ExpungeError, OutputError

try:
    import fcntl
except ImportError:  # not a POSIX system: one process at a time is then up to the caller
    fcntl = None


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
