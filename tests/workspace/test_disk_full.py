"""A disk that is full or fails: a clear error, nothing left behind, and the next attempt succeeds."""

import errno
import os
from contextlib import contextmanager

import pytest

from expunge.errors import DamagedWorkspaceError, OutputError, ReadOnlyWorkspaceError
from expunge.workspace import State
from tests.workspace.tools import JANE, assert_sound


@contextmanager
def failing(monkeypatch, name: str, at: int, error: int):
    """The call number `at` of an effect fails, after half of the bytes if it is a write. Yields whether it did."""
    real, calls, failed = getattr(os, name), iter(range(10**6)), []

    def call(*args, **kwargs):
        if next(calls) == at:
            failed.append(True)
            if name == "write":
                real(args[0], args[1][: len(args[1]) // 2])
            raise OSError(error, os.strerror(error))
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, name, call)
        yield failed


@pytest.mark.parametrize(("name", "error"), [("write", errno.ENOSPC), ("fsync", errno.EIO), ("rename", errno.EROFS)])
def test_submissions_on_a_failing_disk(place, images, monkeypatch, name, error) -> None:
    at, refusal = 0, ""
    for at in range(50):
        with failing(monkeypatch, name, at, error) as failed:
            refusal = refused(place, images)
        place.sweep()
        assert_sound(place)
        if not failed:
            break
        assert os.strerror(error) in refusal
        assert len(place.requests()) == 0
    assert at >= 3
    assert refusal == ""
    assert len(place.requests()) == 1


def refused(place, images) -> str:
    """What a submission is told; nothing if it is taken in."""
    try:
        place.submit(["amber"], images, JANE)
    except (OutputError, ReadOnlyWorkspaceError) as refusal:
        return str(refusal)
    return ""


@pytest.mark.parametrize(("name", "error"), [("write", errno.ENOSPC), ("fsync", errno.EIO), ("replace", errno.ENOSPC)])
def test_an_artefact_on_a_failing_disk(place, monkeypatch, name, error) -> None:
    data = b"an edit"
    with failing(monkeypatch, name, 0, error), pytest.raises(OutputError, match=os.strerror(error)):
        place.artefacts.put(data)
    digest = place.artefacts.put(data)
    assert place.artefacts.read(digest.sha256) == data


def test_a_full_database(place, images) -> None:
    """SQLite itself is told that no more pages are to be had."""
    pages = place._database._connection.execute("PRAGMA page_count").fetchone()[0]
    place._database._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    refusals = iter(lambda: refused(place, images), "no such text")
    taken = next(number for number, refusal in enumerate(refusals) if "disk is full" in refusal)
    assert len(place.requests()) == taken
    assert_sound(place)
    place._database._connection.execute("PRAGMA max_page_count = 1000000")
    place.submit(["amber"], images, JANE)
    assert len(place.requests()) == taken + 1
    assert_sound(place)


def test_what_a_failing_disk_left_is_not_believed(place) -> None:
    digest = place.artefacts.put(b"an edit")
    path = place.artefacts.path(digest.sha256)
    path.write_bytes(b"an ed")
    with pytest.raises(DamagedWorkspaceError, match="damaged"):
        place.artefacts.read(digest.sha256)
    assert place.artefacts.put(b"an edit") == digest  # it is written again, as what was there was not sound
    assert place.artefacts.read(digest.sha256) == b"an edit"


def test_a_missing_image_is_noticed(place, images) -> None:
    request = place.submit(["amber"], images, JANE)
    next((place.path / "quarantine" / request.id / "0").iterdir()).unlink()
    with pytest.raises(DamagedWorkspaceError, match="not all there"):
        place.images(request.id)
    assert place.move(request.id, State.REFUSED, JANE, "no images").state == "refused"
