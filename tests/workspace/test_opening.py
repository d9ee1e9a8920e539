"""Making and opening a workspace, whole, damaged, newer, or on a disk that cannot be written to."""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import traceback
from datetime import timedelta
from pathlib import Path

import pytest

from expunge.errors import (
    DamagedWorkspaceError,
    KeyFileError,
    LedgerDamagedError,
    NewerWorkspaceError,
    OutputError,
    PolicyError,
    ReadOnlyWorkspaceError,
    UnknownRequestError,
    WorkspaceError,
    WorkspaceNotFoundError,
)
from expunge.ledger import SigningKey, check, read_public
from expunge.workspace import State, Workspace, creation, find_workspace
from tests.workspace.tools import JANE, assert_sound, write_images


def test_what_a_new_workspace_holds(place) -> None:
    names = {path.name for path in place.path.iterdir() if not path.name.endswith(("-wal", "-shm"))}
    assert names >= {"workspace.json", "expunge.db", "artefacts", "quarantine", "keys", "runners"}
    assert {path.stat().st_mode & 0o777 for path in (place.path / "keys").iterdir()} == {0o600}
    assert json.loads((place.path / "workspace.json").read_text())["schema"] == "expunge/workspace/v1"
    trusted = read_public((place.path / "keys" / "ledger.pub").read_text())
    with place.ledger_storage() as storage:
        assert check(storage, trusted).ok
    assert b"expunge/policy/v1" in place.policy()


def test_nothing_of_it_needs_torch() -> None:
    code = "import sys, expunge.workspace; print({'torch', 'transformers', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_a_key_that_is_brought_along(tmp_path) -> None:
    key = SigningKey.generate("anything")
    key.save(tmp_path / "mine.pem")
    with Workspace.create(tmp_path / "w", "m", key=tmp_path / "mine.pem", actor=JANE) as place:
        assert place.ledger().ring.publics[0].raw == key.public.raw
    (tmp_path / "mine.pem").chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        Workspace.create(tmp_path / "other", "m", key=tmp_path / "mine.pem", actor=JANE)
    assert not (tmp_path / "other").exists()


def test_a_folder_that_is_not_empty(tmp_path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "mine").write_text("x")
    with pytest.raises(OutputError, match="not an empty folder"):
        Workspace.create(tmp_path / "w", "m", actor=JANE)
    assert (tmp_path / "w" / "mine").read_text() == "x"


@pytest.mark.parametrize("text", ["not = = toml", 'four_eyes = "yes"'])
def test_a_policy_that_is_none(tmp_path, text) -> None:
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises(PolicyError):
        Workspace.create(tmp_path / "w", "m", policy=tmp_path / "p.toml", actor=JANE)
    with pytest.raises(PolicyError):
        Workspace.create(tmp_path / "w", "m", policy=tmp_path / "none", actor=JANE)


def test_finding_a_workspace_from_below(place, tmp_path) -> None:
    assert find_workspace(place.path / "artefacts") == place.path
    with pytest.raises(WorkspaceNotFoundError, match="--workspace"):
        find_workspace(tmp_path)
    with pytest.raises(WorkspaceNotFoundError, match="expunge init"):
        Workspace.open(tmp_path)


def test_an_unknown_request(place) -> None:
    with pytest.raises(UnknownRequestError, match="'r-nothing'"):
        place.move("r-nothing", State.ACCEPTED, JANE)


def test_newer_versions(place) -> None:
    place.close()
    path = place.path / "workspace.json"
    text = path.read_text()
    path.write_text(text.replace("workspace/v1", "workspace/v2"))
    with pytest.raises(NewerWorkspaceError, match="Update"):
        Workspace.open(place.path)
    path.write_text(text)
    database = sqlite3.connect(place.path / "expunge.db")
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(NewerWorkspaceError, match="version 99"):
        Workspace.open(place.path)


@pytest.mark.parametrize("damage", ["", "{", '{"schema": "expunge/workspace/v1"}', "\xff"])
def test_damaged_settings(place, damage) -> None:
    (place.path / "workspace.json").write_text(damage, encoding="latin-1")
    with pytest.raises(DamagedWorkspaceError, match=r"workspace\.json"):
        Workspace.open(place.path)


def test_a_damaged_or_missing_database(place) -> None:
    place.close()
    (place.path / "expunge.db").write_bytes(b"rubbish" * 1000)
    with pytest.raises(DamagedWorkspaceError, match="no SQLite database"):
        Workspace.open(place.path)
    (place.path / "expunge.db").unlink()
    with pytest.raises(DamagedWorkspaceError, match="missing"):
        Workspace.open(place.path)
    assert not (place.path / "expunge.db").exists()


def test_a_ledger_that_was_tampered_with_is_not_added_to(place, images) -> None:
    request = place.submit(["amber"], images, JANE)
    place.close()
    database = sqlite3.connect(place.path / "expunge.db", isolation_level=None)
    database.execute(
        "UPDATE ledger SET entry = CAST(replace(CAST(entry AS TEXT), 'received', 'released') AS BLOB) WHERE seq = 3"
    )
    database.close()
    with Workspace.open(place.path) as again, pytest.raises(LedgerDamagedError):
        again.move(request.id, State.ACCEPTED, JANE)


ALTERATIONS = {
    "UPDATE request SET state = 'released'": "state",
    "UPDATE request SET destroyed = received": "destruction",
    "UPDATE request SET legal_hold = 1": "legal hold",
    "UPDATE request SET images_sha256 = 'x'": "digest of images",
    "UPDATE artefact SET role = 'edit' WHERE request IS NOT NULL": "artefacts",
    "DELETE FROM artefact WHERE request IS NOT NULL": "artefacts",
}


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_rows_that_were_altered_by_hand(place, images, alteration) -> None:
    request = place.submit(["amber"], images, JANE)
    assert place.disagreements() == ()
    place._database._connection.execute(alteration)
    (sentence,) = place.disagreements()
    assert sentence == f"Request {request.id}: the tables and the ledger differ in {ALTERATIONS[alteration]}."


def test_a_row_that_was_removed_by_hand(place, images) -> None:
    request = place.submit(["amber"], images, JANE)
    place._database._connection.execute("PRAGMA foreign_keys = OFF")
    place._database._connection.execute("DELETE FROM request")
    assert place.disagreements() == (f"Request {request.id} is in the ledger and not in the tables.",)


def test_a_clock_that_goes_back_is_recorded_and_flagged(place, images, clock) -> None:
    request = place.submit(["amber"], images, JANE).id
    clock.turn(hours=-2)
    place.move(request, State.ACCEPTED, JANE)
    clock.turn(hours=5)
    place.move(request, State.ON_HOLD, JANE)
    moves = place.moves(request)
    assert [move.clock_back for move in moves] == [False, True, False]
    assert moves[1].time < moves[0].time
    with place.ledger_storage() as storage:
        report = check(storage)
    assert report.ok
    assert [finding.kind for finding in report.warnings] == ["time"]


def test_time_limits(place, images, clock) -> None:
    request = place.submit(["amber"], images, JANE)  # on 31 January
    assert request.due.isoformat() == "2026-02-28"
    clock.turn(days=28)
    assert not place.overdue()
    clock.turn(days=1)
    assert place.overdue() == (request,)
    clock.time -= timedelta(days=1)
    assert not place.overdue()


def _begin_and_fail(place: Workspace, request: str) -> None:
    with place.transaction() as transaction:
        transaction.move(request, State.ACCEPTED, JANE)
        raise ZeroDivisionError


def test_what_was_undone_here_is_not_signed_with_what_was_done_elsewhere(place, images, clock) -> None:
    """The same number of entries, undone here and written there: only then could the two be taken for each other."""
    request = place.submit(["amber"], images, JANE).id
    with Workspace.open(place.path, clock=clock) as there:
        with pytest.raises(ZeroDivisionError):
            _begin_and_fail(place, request)
        there.move(request, State.ON_HOLD, JANE)
        place.move(request, State.RECEIVED, JANE)
    assert_sound(place)


def test_one_transaction_at_a_time(place) -> None:
    with place.transaction(), pytest.raises(WorkspaceError, match="open already"), place.transaction():
        pass


def test_a_workspace_that_can_only_be_read() -> None:
    """Read by somebody who owns the files and may not write, as on a read-only disk."""
    with tempfile.TemporaryDirectory() as root:
        path = Path(root) / "w"
        images = write_images(Path(root) / "images")
        with Workspace.create(path, "m", actor=JANE) as place:
            request = place.submit(["amber"], images, JANE)
        nobody = os.geteuid() or 65534
        nobody = 65534 if os.geteuid() == 0 else nobody
        for found in (Path(root), path, *path.rglob("*")):
            if os.geteuid() == 0:
                os.chown(found, nobody, -1)
            found.chmod(0o500 if found.is_dir() else 0o400)
        child = os.fork()
        if child == 0:
            try:
                if os.geteuid() == 0:
                    os.setuid(nobody)
                with Workspace.open(path) as place:
                    assert [found.id for found in place.requests()] == [request.id]
                    assert_sound(place)
                    for write in (
                        lambda: place.move(request.id, State.ACCEPTED, JANE),
                        lambda: place.submit(["amber"], images, JANE),
                    ):
                        with pytest.raises(ReadOnlyWorkspaceError):
                            write()
                os._exit(0)
            except BaseException:
                traceback.print_exc(file=sys.__stderr__)
                os._exit(1)
        status = os.waitpid(child, 0)[1]
        for found in (Path(root), path, *path.rglob("*")):
            found.chmod(0o700)
        assert status == 0


def test_of_two_that_make_one_workspace_the_later_one_leaves_the_other_alone(tmp_path, monkeypatch) -> None:
    (tmp_path / "w").mkdir()
    claim = creation._claim

    def overtaken(folder: Path) -> bool:
        """Another process has made the whole workspace since this one was asked to."""
        monkeypatch.setattr(creation, "_claim", claim)
        Workspace.create(folder, "m", actor=JANE).close()
        return claim(folder)

    monkeypatch.setattr(creation, "_claim", overtaken)
    with pytest.raises(OutputError, match="not an empty folder"):
        Workspace.create(tmp_path / "w", "m", actor=JANE)
    with Workspace.open(tmp_path / "w") as place:
        assert_sound(place)


def test_an_empty_folder_is_claimed_by_one_alone(tmp_path, monkeypatch) -> None:
    (tmp_path / "w").mkdir()
    monkeypatch.setattr(Path, "iterdir", lambda self: iter(()))  # as both saw it before either claimed it
    assert not creation._claim(tmp_path / "w")
    with pytest.raises(OutputError, match="not an empty folder"):
        creation._claim(tmp_path / "w")
