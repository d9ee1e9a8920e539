"""What is on the disk after an error, and in which order it got there."""

import os
import stat
from pathlib import Path

import pytest

from expunge.durable import remove, replace_file, sync_tree, whole_folder, write_file

pytestmark = pytest.mark.skipif(os.name != "posix", reason="files are flushed, linked and guarded as POSIX does it")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """(what happened, the last part of the path), as it happens: a flush or a new name."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc")
    seen: list[tuple[str, str]] = []
    fsync, rename, replace = os.fsync, os.rename, os.replace

    def flush(descriptor: int) -> None:
        seen.append(("flush", Path(os.readlink(f"/proc/self/fd/{descriptor}")).name))
        fsync(descriptor)

    for name, real in (("rename", rename), ("replace", replace)):
        monkeypatch.setattr(
            os, name, lambda old, new, real=real: (seen.append(("name", Path(new).name)), real(old, new))
        )
    monkeypatch.setattr(os, "fsync", flush)
    return seen


def disk_is_full(*args: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_folder_is_flushed_from_the_inside_before_it_has_its_name(tmp_path: Path, told: list) -> None:
    with whole_folder(tmp_path / "deep" / "folder") as partial:
        (partial / "inner").mkdir()
        (partial / "inner" / "file").write_bytes(b"x")
    assert told == [
        ("flush", "file"),
        ("flush", "inner"),
        ("flush", ".folder.partial"),
        ("name", "folder"),
        ("flush", "deep"),
    ]
    assert (tmp_path / "deep" / "folder" / "inner" / "file").read_bytes() == b"x"


def test_a_file_is_flushed_before_it_takes_its_name(tmp_path: Path, told: list) -> None:
    replace_file(tmp_path / "file", b"old")
    replace_file(tmp_path / "file", b"new")
    assert told == 2 * [("flush", ".file.partial"), ("name", "file"), ("flush", tmp_path.name)]
    assert (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_folder_that_fails_leaves_nothing_and_one_cut_off_is_no_hindrance(tmp_path: Path, error) -> None:
    (tmp_path / ".folder.partial").mkdir()
    (tmp_path / ".folder.partial" / "left").write_bytes(b"from a crash")

    def fail() -> None:
        with whole_folder(tmp_path / "folder") as partial:
            assert list(partial.iterdir()) == []
            raise error

    with pytest.raises(error):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with whole_folder(tmp_path / "empty") as partial:
        (partial / "file").write_bytes(b"x")
    with pytest.raises(OSError, match="not empty"), whole_folder(tmp_path / "empty"):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["empty", "file"]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_file(tmp_path / "file", b"old")
    monkeypatch.setattr(os, "fsync", disk_is_full)
    with pytest.raises(OSError, match="No space left"):
        replace_file(tmp_path / "file", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_modes_are_those_asked_for(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "folder", mode=0o700) as partial:
        write_file(partial / "file", b"secret", mode=0o600)
    replace_file(tmp_path / "other", b"secret", mode=0o600)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("folder", "folder/file", "other")]
    assert modes == [0o700, 0o600, 0o600]


def test_removing_follows_no_link_and_minds_no_absence(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    remove(tmp_path / "link")
    remove(tmp_path / "nothing")
    sync_tree(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    remove(tmp_path / "kept")
    assert list(tmp_path.iterdir()) == []
