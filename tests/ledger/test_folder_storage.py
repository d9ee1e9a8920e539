import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from expunge.errors import LedgerConflictError, LedgerDamagedError, OutputError
from expunge.ledger import FolderStorage, Log, Storage, check
from tests.ledger.ledger_samples import FACTS, KEY, at, ledger

posix = pytest.mark.skipif(os.name != "posix", reason="needs locks, limits and modes of files as POSIX has them")

ENTRIES, CHECKPOINTS = "entries.jsonl", "checkpoints.txt"


@pytest.fixture
def folder(tmp_path) -> Path:
    ledger(3, FolderStorage.create(tmp_path / "ledger"))
    return tmp_path / "ledger"


def append(folder: Path, minute: int = 30) -> int:
    return Log(FolderStorage(folder), KEY).append(FACTS[0], time=at(minute), actor="runner")


def content(folder: Path) -> tuple[bytes, bytes]:
    return (folder / ENTRIES).read_bytes(), (folder / CHECKPOINTS).read_bytes()


def put(folder: Path, entries: bytes, checkpoints: bytes) -> None:
    (folder / ENTRIES).write_bytes(entries)
    (folder / CHECKPOINTS).write_bytes(checkpoints)


def test_it_answers_the_protocol(folder) -> None:
    assert isinstance(FolderStorage(folder), Storage)
    assert content(folder)[0].count(b"\n") == content(folder)[1].count(b"\n") == 3
    with pytest.raises(OutputError, match="a ledger already"):
        FolderStorage.create(folder)


def test_power_loss_at_every_byte_of_an_append_leaves_the_old_or_the_new_ledger(tmp_path) -> None:
    """The entry is on the disk before the first byte of its checkpoint, so these are all states there can be."""
    folder = tmp_path / "ledger"
    ledger(1, FolderStorage.create(folder))
    old_entries, old_checkpoints = content(folder)
    append(folder)
    new_entries, new_checkpoints = content(folder)
    states = [(new_entries[:end], old_checkpoints) for end in range(len(old_entries), len(new_entries))]
    states += [(new_entries, new_checkpoints[:end]) for end in range(len(old_checkpoints), len(new_checkpoints) + 1)]
    for number, (entries, checkpoints) in enumerate(states):
        put(folder, entries, checkpoints)
        size = 2 if checkpoints == new_checkpoints else 1
        assert Log(FolderStorage(folder)).size == size  # which recomputes the tree and verifies the signature
        if number % 8 == 0 or size == 2:  # the slow part
            untouched = size == 2 or entries == old_entries
            assert [finding.index for finding in check(FolderStorage(folder)).problems] == ([] if untouched else [1])
            assert content(folder) == (entries, checkpoints)  # checking writes nothing
            assert append(folder) == size
            assert Log(FolderStorage(folder)).size == size + 1
    assert check(FolderStorage(folder), KEY.public.raw).ok
    assert len(states) == len(new_entries) - len(old_entries) + len(new_checkpoints) - len(old_checkpoints) + 1


def test_a_cut_into_signed_entries_is_never_repaired(folder) -> None:
    entries, checkpoints = content(folder)
    first, second, _ = (len(line) for line in entries.splitlines(keepends=True))
    edges = [edge + step for edge in (first, first + second) for step in (-2, -1, 0, 1)]
    for end in sorted({*range(0, len(entries) - 1, 9), *edges, len(entries) - 2}):
        put(folder, entries[:end], checkpoints)
        (problem,) = check(FolderStorage(folder)).problems
        assert problem.index == (0 if end < first - 1 else 1 if end < first + second - 1 else 2)
        assert (problem.kind == "dropped") == (end in (0, first - 1, first, first + second - 1, first + second))
        with pytest.raises(LedgerDamagedError):
            append(folder)
        assert content(folder) == (entries[:end], checkpoints)


def test_a_missing_last_newline_is_put_back(folder) -> None:
    entries, checkpoints = content(folder)
    put(folder, entries[:-1], checkpoints)
    assert check(FolderStorage(folder)).ok
    append(folder)
    assert content(folder)[0].startswith(entries)
    assert check(FolderStorage(folder)).ok


def test_a_store_that_lost_entries_is_not_extended(folder) -> None:
    log = Log(FolderStorage(folder), KEY)
    entries, checkpoints = content(folder)
    put(folder, entries.partition(b"\n")[0] + b"\n", checkpoints)
    with pytest.raises(LedgerDamagedError, match="holds 1 entries, and 3 were signed"):
        log.append(FACTS[0], time=at(30), actor="runner")


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    import resource  # POSIX only

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@posix
def test_a_full_disk_leaves_the_old_ledger(folder) -> None:
    """The system writes as many bytes as it may and refuses the rest, for the entry or for its checkpoint."""
    log = Log(FolderStorage(folder), KEY)
    entries, checkpoints = content(folder)
    for limit in range(min(len(entries), len(checkpoints)), len(entries) + 200, 40):
        with files_of_at_most(limit), pytest.raises(OutputError, match="cannot be written"):
            log.append(FACTS[0], time=at(30), actor="runner")
        assert log.size == 3
    assert log.append(FACTS[0], time=at(30), actor="runner") == 3
    assert content(folder)[0].startswith(entries)
    assert check(FolderStorage(folder)).ok


@posix
@pytest.mark.skipif(getattr(os, "geteuid", int)() == 0, reason="root writes wherever it likes")
def test_a_read_only_ledger_can_be_checked_but_not_extended(folder) -> None:
    log = Log(FolderStorage(folder), KEY)
    for path in folder.iterdir():
        path.chmod(0o400)
    assert check(FolderStorage(folder)).ok
    with pytest.raises(OutputError, match="cannot be written"):
        log.append(FACTS[0], time=at(30), actor="runner")


def test_a_place_that_cannot_be_written(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        FolderStorage.create(tmp_path / "file" / "ledger")


@posix
def test_writers_at_the_same_time_lose_nothing(folder) -> None:
    def write() -> None:
        left = 8
        while left:
            try:
                append(folder)
                left -= 1
            except LedgerConflictError:
                pass

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = check(FolderStorage(folder))
    assert (report.ok, report.size) == (True, 3 + 3 * 8)


ENDLESS = """
import sys
from pathlib import Path
from expunge.ledger import FolderStorage, Log, SigningKey, StateMove
log = Log(FolderStorage(Path(sys.argv[1])), SigningKey.from_seed("example.org/erasures", bytes([1]) * 32))
while True:
    print(log.append(StateMove(before=None, after="received"), time="2026-11-24T09:30:00Z", actor="runner"), flush=True)
"""


def test_a_killed_writer_loses_nothing_that_it_had_reported(folder) -> None:
    for turn in range(3):
        with subprocess.Popen([sys.executable, "-c", ENDLESS, str(folder)], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline() for _ in range(5 + 3 * turn)]
            child.kill()
            reported = int((lines + child.stdout.readlines())[-1])
        log = Log(FolderStorage(folder), KEY)
        assert log.size in (reported + 1, reported + 2)
        log.append(FACTS[0], time=at(31), actor="runner")
        assert check(FolderStorage(folder)).ok
