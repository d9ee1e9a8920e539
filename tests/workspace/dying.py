"""Runs something in a process that is killed at one chosen effect: a system call on files, or a statement of SQL.

With `power=True` the machine stops, too: bytes that were not synced are cut in half, and names that were given or taken
away without their folder being synced are as they were before.
"""

import os
import shutil
import signal
import sqlite3
import sys
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

HALF_WRITTEN = ("write",)
COUNTED = ("fsync", "replace", "rename", "unlink", "mkdir", "rmdir", "link")


def survives(operation: Callable[[], object], at: int, *, power: bool = False) -> bool:
    """Whether `operation` came to its end before effect number `at`; else its process was killed there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other threads, which the child does not need
        child = os.fork()
    if child == 0:
        try:
            _Death(at, power).arm()
            operation()
            os._exit(0)
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.WEXITSTATUS(status) == 0, "the operation failed of itself, see standard error"
    return True


class _Death:
    def __init__(self, at: int, power: bool) -> None:
        self.left, self.power = at, power
        self.paths: dict[int, str] = {}
        self.unsynced: set[str] = set()
        self.undo: list[tuple[str, Callable[[], object]]] = []  # folder, how its names become what they were

    def arm(self) -> None:
        self.real = {name: getattr(os, name) for name in (*HALF_WRITTEN, *COUNTED, "open")}
        os.open, os.write = self._open, self._write
        for name in COUNTED:
            setattr(os, name, partial(self._call, name))
        death = self

        class Connection(sqlite3.Connection):
            def execute(self, *args: Any) -> sqlite3.Cursor:
                death.step()
                cursor = super().execute(*args)
                if args[0] == "COMMIT":
                    death.step()
                return cursor

        sqlite3.connect = partial(sqlite3.connect, factory=Connection)

    def step(self) -> None:
        if self.left == 0:
            if self.power:
                self._lose_what_is_not_synced()
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1

    def _open(self, path: Any, *args: Any, **kwargs: Any) -> int:
        descriptor = self.real["open"](path, *args, **kwargs)
        self.paths[descriptor] = os.fspath(path)
        return descriptor

    def _write(self, descriptor: int, data: Any) -> int:
        self.step()
        half = len(data) // 2
        written = self.real["write"](descriptor, data[:half])
        self.unsynced.add(self.paths[descriptor])
        self.step()
        return written + self.real["write"](descriptor, data[half:])

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        self.step()
        if name == "fsync":
            path = self.paths.get(args[0], "")
            self.unsynced.discard(path)
            self.undo = [(folder, undo) for folder, undo in self.undo if folder != path]
            return self.real[name](*args)
        if name in ("replace", "rename"):
            source, target = map(os.fspath, args)
            before = Path(target).read_bytes() if os.path.isfile(target) else None
            result = self.real[name](source, target)
            if before is not None:  # undone last: the name is what it was
                self.undo.append((os.path.dirname(target), partial(_bring_back, target, before)))
            self.undo.append((os.path.dirname(target), partial(self.real["rename"], target, source)))
            self.unsynced = {target if path == source else path for path in self.unsynced}
            return result
        if name == "unlink" and os.path.isfile(args[0]):
            path = os.fspath(args[0])
            content = Path(path).read_bytes()
            result = self.real[name](path)
            self.undo.append((os.path.dirname(path), partial(_bring_back, path, content)))
            return result
        return self.real[name](*args, **kwargs)

    def _lose_what_is_not_synced(self) -> None:
        for path in self.unsynced:
            if os.path.isfile(path):
                os.truncate(path, os.path.getsize(path) // 2)
        for _, undo in reversed(self.undo):
            undo()


def _bring_back(path: str, content: bytes) -> None:
    if os.path.isdir(os.path.dirname(path)):
        Path(path).write_bytes(content)


def fresh_copy(folder: Path, into: Path) -> Path:
    """A copy of a closed workspace, in place of an earlier copy."""
    if into.exists():
        shutil.rmtree(into)
    return shutil.copytree(folder, into)
