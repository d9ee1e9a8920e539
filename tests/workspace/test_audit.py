"""What a hand that changes tables or settings gives away: the ledger says otherwise, and nobody can sign the change."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from expunge.cli.app import run
from expunge.ledger import check
from expunge.ledger.entries import Artefact
from expunge.ledger.log import Log
from expunge.workspace import State, Workspace
from expunge.workspace.transaction import REQUEST_FACTS
from tests.workspace.tools import JANE, assert_sound, to_measured

FOUR_EYES = 'schema = "expunge/policy/v1"\nname = "two"\nfour_eyes = true\n'


@pytest.fixture
def lived_in(tmp_path, images, clock) -> Path:
    """A closed workspace with a request that somebody approved, one that came in, and a hold on all of it."""
    (tmp_path / "two.toml").write_text(FOUR_EYES)
    with Workspace.create(tmp_path / "w", "m", policy=tmp_path / "two.toml", actor=JANE, clock=clock) as place:
        approved = place.submit(["amber"], images, JANE).id
        to_measured(place, approved)
        place.move(approved, State.APPROVED, JANE)
        place.submit(["blue"], images, JANE, subject="K-4711", token="t", reason="by letter")
        with place.transaction() as transaction:
            transaction.hold_all(JANE, "court order")
        assert_sound(place)
    return tmp_path / "w"


@pytest.fixture
def altered(lived_in) -> Callable[[str], str]:
    """Runs SQL against a workspace, and returns what the audit says then."""

    def alter(sql: str) -> str:
        with closing(sqlite3.connect(lived_in / "expunge.db")) as connection:
            assert connection.execute(sql).rowcount > 0
            connection.commit()
        with Workspace.open(lived_in) as place:
            with place.ledger_storage() as storage:
                assert check(storage).ok
            return " ".join(place.disagreements())

    return alter


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("UPDATE request SET approved_by = 'paul' WHERE state = 'approved'", "approval"),
        ("UPDATE request SET approved_by = 'jane' WHERE state = 'received'", "approval"),
        ("UPDATE request SET targets = '[\"coral\"]' WHERE state = 'received'", "targets"),
        ("UPDATE request SET due = '2099-01-01'", "due day"),
        ("UPDATE request SET received = '2030-01-01T00:00:00.000000Z'", "time of receipt"),
        ("UPDATE request SET images = 999", "list of images"),
        ("UPDATE request SET subject = NULL WHERE state = 'received'", "reference"),
        ("UPDATE request SET token = NULL WHERE state = 'received'", "token"),
        ("UPDATE request SET reason = 'another' WHERE state = 'received'", "reason"),
        ("UPDATE request SET held_from = 'received' WHERE state = 'received'", "hold"),
        ("DELETE FROM image", "list of images"),
        ("UPDATE image SET bytes = 1", "images"),
        ("UPDATE move SET actor = 'paul' WHERE request IS NOT NULL", "moves"),
        ("UPDATE move SET role = 'person' WHERE role = 'runner'", "moves"),
        ("UPDATE move SET reason = 'forged' WHERE reason IS NOT NULL", "moves"),
        ("DELETE FROM move WHERE request IS NULL", "The workspace as a whole"),
        ("DELETE FROM artefact WHERE request IS NULL", "The workspace as a whole"),
        ("UPDATE artefact SET bytes = 7 WHERE request IS NOT NULL", "artefacts"),
    ],
)
def test_a_row_that_was_changed(altered, sql, named) -> None:
    assert named in altered(sql)


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [("four_eyes", False, "four_eyes"), ("policy", "0" * 64, "policy"), ("created", "2020-01-01T00:00:00Z", "classes")],
)
def test_settings_that_were_changed(lived_in, field, value, named) -> None:
    file = lived_in / "workspace.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {field: value}))
    with Workspace.open(lived_in) as place:
        (sentence,) = place.disagreements()
    assert named in sentence.removeprefix("workspace.json and the ledger differ in ")


def test_a_model_may_be_moved_elsewhere(lived_in) -> None:
    file = lived_in / "workspace.json"
    settings = json.loads(file.read_text())
    settings["model"]["source"], settings["memory"] = "/another/place", "/memory"
    file.write_text(json.dumps(settings))
    with Workspace.open(lived_in) as place:
        assert place.disagreements() == ()


def test_without_the_secret_words_are_not_compared_and_that_is_said(lived_in, altered) -> None:
    (lived_in / "keys" / "pseudonyms.key").rename(lived_in / "elsewhere.key")
    assert altered("UPDATE request SET due = '2099-01-01'") == ""
    with Workspace.open(lived_in) as place:
        assert "due days" in " ".join(place.audit().unchecked)
    assert "moves" in altered("DELETE FROM move WHERE request IS NULL")


def test_requests_of_an_older_ledger_are_said_to_be_uncheckable(tmp_path, images, monkeypatch) -> None:
    append = Log.append

    def without(self: Log, facts: object, **about: str) -> int:
        if isinstance(facts, Artefact) and facts.role == REQUEST_FACTS:
            facts = Artefact(role="something-else", sha256=facts.sha256)
        return append(self, facts, **about)  # pyright: ignore[reportArgumentType]

    with Workspace.create(tmp_path / "w", "m", actor=JANE) as place:
        monkeypatch.setattr(Log, "append", without)
        place.submit(["amber"], images, JANE)
        with closing(sqlite3.connect(place.path / "expunge.db")) as connection:
            connection.execute("UPDATE artefact SET role = 'something-else' WHERE role = 'request-facts'")
            connection.commit()
        assert place.disagreements() == ()
        assert "cannot be checked" in " ".join(place.audit().unchecked)


def test_the_status_command_says_so(lived_in, altered, capsys) -> None:
    assert run(["status", "--check", "--workspace", str(lived_in)]) in (0, 3)
    altered("UPDATE request SET approved_by = 'paul' WHERE state = 'approved'")
    assert run(["status", "--check", "--workspace", str(lived_in)]) == 4
    assert "approval" in capsys.readouterr().err


def test_a_row_that_no_request_can_have(lived_in, altered) -> None:
    with pytest.raises(Exception, match="holds what no request can"):
        altered("UPDATE request SET state = 'forgotten'")


def test_a_checkpoint_that_is_no_text_is_named(lived_in) -> None:
    with closing(sqlite3.connect(lived_in / "expunge.db")) as connection:
        connection.execute("UPDATE ledger SET checkpoint = CAST(x'ff' AS TEXT) WHERE seq = 3")
        connection.commit()
    with Workspace.open(lived_in) as place, place.ledger_storage() as storage:
        assert [(one.index, one.kind) for one in check(storage).problems] == [(3, "checkpoint")]
