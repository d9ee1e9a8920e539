"""The log has events with fields, and takes nothing that could be personal."""

import json
import logging
import re
from typing import Any

import pytest

from expunge.logs import FIELDS, WITHHELD, silence, tell, telling, write_to_stderr

LOG = logging.getLogger("expunge.tests.logs")
REQUEST, OTHER = "r-7k3m9q2x4c", "r-0000000000"


@pytest.fixture(autouse=True)
def _quiet_again():
    yield
    silence()


def test_json_is_one_object_a_line(capsys) -> None:
    write_to_stderr("info", "json")
    tell(LOG, "step", step="edit stored", request=[REQUEST, OTHER])
    tell(LOG, "destruction", request=REQUEST, count=10, role=None)
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert first == {"level": "INFO", "event": "step", "step": "edit stored", "request": [REQUEST, OTHER]}
    assert (second["request"], second["count"], "role" in second) == (REQUEST, 10, False)


def test_text_is_for_the_eye(capsys) -> None:
    write_to_stderr("info", "text")
    tell(LOG, "step", step="edit stored", request=[REQUEST, OTHER])
    time, rest = capsys.readouterr().err.rstrip("\n").split(" ", 1)
    assert time.endswith("Z")
    assert rest == f'INFO step step="edit stored" request={REQUEST},{OTHER}'


def test_levels(capsys) -> None:
    write_to_stderr("warning", "text")
    tell(LOG, "step", step="claimed")
    tell(LOG, "failed", level=logging.WARNING, error="DataError")
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("name", ["subject", "target", "path", "reason", "actor", "message"])
def test_there_is_no_field_for_what_is_personal(name) -> None:
    assert name not in FIELDS
    wrong: dict[str, Any] = {name: "Jürgen"}
    with pytest.raises(ValueError, match=f"expected fields of request, .* got {name}"):
        tell(LOG, "step", **wrong)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("request", "Jürgen Müller"),
        ("request", [REQUEST, "amber"]),
        ("step", "Jürgen"),
        ("step", "/home/jane/photo.png"),
        ("sha256", "amber"),
        ("error", "no image of amber"),
    ],
)
def test_a_value_of_another_form_is_withheld(capsys, name, value) -> None:
    write_to_stderr("info", "json")
    tell(LOG, "step", **{name: value})
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)[name] == ([REQUEST, WITHHELD] if isinstance(value, list) else WITHHELD)


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_others_log_under_our_name_shows_no_words(capsys, form) -> None:
    write_to_stderr("info", form)
    try:
        raise KeyError("Jürgen")
    except KeyError:
        LOG.exception("Cannot find Jürgen %s", "Müller", extra={"subject": "Jürgen"})
    text = capsys.readouterr().err
    assert WITHHELD in text
    assert not re.search("rgen|ller|Cannot|Traceback", text)


def test_a_program_that_sets_nothing_hears_nothing(capsys) -> None:
    tell(LOG, "failed", level=logging.ERROR, error="DataError")
    assert capsys.readouterr() == ("", "")
    assert any(isinstance(handler, logging.NullHandler) for handler in logging.getLogger("expunge").handlers)


def test_a_program_reads_fields_off_the_record(caplog) -> None:
    told = []
    with caplog.at_level(logging.INFO, "expunge"):
        telling(LOG, told.append, REQUEST)("judged")
    (record,) = caplog.records
    assert (record.msg, vars(record)["step"], vars(record)["request"], told) == ("step", "judged", REQUEST, ["judged"])
