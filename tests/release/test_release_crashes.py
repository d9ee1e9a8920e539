"""Killed before every write to the disk, and what the next process finds."""

import os
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from expunge.adapters import EditStack
from expunge.release import Releases
from tests.release.models import an_edit, tiny
from tests.release.test_releases import NOON

WRITES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}
KILLED, TOO_LATE = 137, 0


def killed_before(step: int, action: Callable[[], object], below: Path) -> bool:
    """Runs `action` in a process that dies, as by kill -9, before its `step`-th write below a folder.

    Python reports every opening, renaming and removing of a file to its audit hooks; there the process ends, and no
    `finally` runs.

    Returns:
        Whether it died; if not, it had fewer steps.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking is what a test on one thread may do
        child = os.fork()
    if not child:
        left = [step]

        def hook(event: str, details: tuple) -> None:
            opened = event == "open" and isinstance(details[2], int) and details[2] & (os.O_WRONLY | os.O_RDWR)
            if (event in WRITES or opened) and str(details[0]).startswith(str(below)):
                left[0] -= 1
                if not left[0]:
                    os._exit(KILLED)

        sys.addaudithook(hook)
        try:
            action()
            os._exit(TOO_LATE)
        except BaseException as error:
            sys.stderr.write(repr(error))
            os._exit(1)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (KILLED, TOO_LATE)
    return code == KILLED


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_publication_cut_off_anywhere_leaves_the_old_release_or_the_new(tmp_path: Path) -> None:
    model = tiny()
    stack, before = EditStack(model), model.digest()
    Releases(tmp_path / "start").publish(model, (), before=before, time=NOON)
    stack.push(an_edit(model))
    after = model.digest()

    def publish(folder: Path) -> int:
        return Releases(folder).publish(model, stack.edits, before=before, time=NOON, note="second").number

    seen, step = [], 0
    while True:
        step += 1
        folder = tmp_path / f"step-{step}"
        shutil.copytree(tmp_path / "start", folder)
        died = killed_before(step, lambda folder=folder: publish(folder), folder)
        releases = Releases(folder)
        seen.append(releases.load().digest())  # checks every file and the weights
        assert set(releases.numbers()) <= {1, 2}
        if 2 in releases.numbers():
            assert releases.load(2).digest() == after  # whole as soon as it is there
        if not died:
            break
        assert publish(folder) == 2  # the next process goes on, and never makes a third
        assert releases.load().digest() == after
        assert sorted(path.name for path in folder.iterdir()) == ["0001", "0002", "current"]
        assert releases.rollback().weights_after == before
        shutil.rmtree(folder)
    assert len(seen) > 8
    assert seen == [before] * (len(seen) - 1) + [after]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("what", ["rollback", "prune"])
def test_going_back_and_pruning_cut_off_anywhere(what: str, tmp_path: Path) -> None:
    model = tiny()
    start = Releases(tmp_path / "start")
    for second in range(3):
        start.publish(model, (), before=model.digest(), time=f"2026-11-24T12:00:0{second}Z")
    step, died = 0, True
    while died:
        step += 1
        folder = tmp_path / f"step-{step}"
        shutil.copytree(start.folder, folder)
        releases = Releases(folder)
        died = killed_before(step, getattr(releases, what), folder)
        now = releases.current()
        assert now is not None
        assert now.number == (2 if what == "rollback" and not died else 3)
        for number in releases.numbers():
            if (folder / f"{number:04d}" / "model").exists():
                releases.load(number)  # whole, or gone
        getattr(releases, what)()
        releases.prune()
        assert not list(folder.glob(".*"))
    assert step > 2


def test_everything_is_on_the_disk_before_its_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a power failure leaves is what was flushed: so each file first, then its folder, then the name."""
    told: list[tuple[str, str]] = []
    fsync, rename, replace = os.fsync, Path.rename, Path.replace

    def flush(descriptor: int) -> None:
        told.append(("flush", os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    def move(path: Path, target: Path) -> Path:
        told.append(("name", str(target)))
        return rename(path, target)

    def move_over(path: Path, target: Path) -> Path:
        told.append(("name", str(target)))
        return replace(path, target)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc")
    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(Path, "rename", move)
    monkeypatch.setattr(Path, "replace", move_over)
    model = tiny()
    folder = tmp_path / "releases"
    Releases(folder).publish(model, (), before=model.digest(), time=NOON)
    monkeypatch.undo()
    named, pointed = told.index(("name", f"{folder}/0001")), told.index(("name", f"{folder}/current"))
    flushed = {path.replace("/.0001.partial", "/0001") for _, path in told[:named]}
    assert {str(path) for path in (folder / "0001", *(folder / "0001").rglob("*"))} <= flushed
    assert told[named + 1] == ("flush", str(folder))
    assert told[pointed - 1] == ("flush", f"{folder}/.current.partial")
    assert told[pointed + 1 :] == [("flush", str(folder))]
