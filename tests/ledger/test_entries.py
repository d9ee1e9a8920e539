import calendar
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expunge.errors import LedgerError, MalformedRecordError, NewerSchemaError
from expunge.ledger import Entry, StateMove, introduce
from expunge.ledger._canonical import canonical, parse_json
from expunge.ledger.text import from_base64, microseconds, to_base64
from tests.ledger.ledger_samples import FACTS, KEY, NEXT_KEY, at

MOVE = Entry.of(FACTS[0], seq=3, time=at(1), actor="person:7f3a", request="r-0001")


def test_canonical_json_is_that_of_rfc_8785() -> None:
    """The examples of its sections 3.2.2 and 3.2.3."""
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    assert canonical(value).decode() == (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    ordered = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    assert list(json.loads(canonical(dict.fromkeys(names, 0)))) == ordered


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, "\ud800", {1: 2}, {1, 2}, b""])
def test_what_json_cannot_carry_is_not_written(value) -> None:
    with pytest.raises(MalformedRecordError, match="canonical JSON"):
        canonical(value)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b'{"a":1,"a":2}', "given twice"),
        (b'[{"b":{"a":1,"a":1}}]', "given twice"),
        (b"[NaN]", "not finite"),
        (b"[1e999]", "not finite"),
        (b"[-Infinity]", "not finite"),
        (b'["\\ud800"]', "not UTF-8"),
        (b'{"\\udfff":1}', "not UTF-8"),
        (b'"\xff"', "not UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"[" * 5000, "nested too deeply"),
        (b"[" + b"1" * 4500 + b"]", "not JSON"),
        (b"{}" + b" " * 5000, "at most 5,000 bytes"),
        (b"", "not JSON"),
        (b"{} {}", "not JSON"),
    ],
)
def test_ambiguous_json_is_not_read(data, problem) -> None:
    with pytest.raises(MalformedRecordError, match=problem):
        parse_json(data, limit=5_000, what="thing")


def test_an_entry_reads_as_this() -> None:
    assert MOVE.to_bytes().decode() == (
        '{"actor":"person:7f3a","facts":{"after":"received","before":null,"kind":"state","reason":null,'
        '"reason_sha256":null},"request":"r-0001","schema":"expunge/ledger-entry/v1","seq":3,'
        '"time":"2026-11-24T09:01:00Z"}'
    )


@pytest.mark.parametrize("facts", [*FACTS, introduce(KEY.public), introduce(NEXT_KEY.public, KEY)])
def test_every_kind_survives_its_bytes(facts) -> None:
    entry = Entry.of(facts, seq=0, time=at(1), actor="runner")
    assert Entry.parse(entry.to_bytes()) == entry


@pytest.mark.parametrize(
    "change",
    [
        {"actor": "Anna Schmidt"},
        {"actor": "anna@example.org"},
        {"actor": "x" * 65},
        {"actor": ""},
        {"actor": "Jürgen"},
        {"actor": "anna\n"},
        {"request": "Bitte löschen"},
        {"time": "2026-11-24 09:00:00"},
        {"time": "2026-11-24T09:00:00+01:00"},
        {"time": "2026-02-29T09:00:00Z"},
        {"seq": -1},
        {"seq": 2**53},
        {"seq": True},
        {"seq": 1.0},
        {"seq": "1"},
        {"subject": "anna"},
        {"schema": "expunge/ledger-entry/v0"},
        {"schema": None},
        {"facts": {"kind": "gossip", "text": "Anna"}},
        {"facts": {"kind": "state", "before": None, "after": "received", "note": "Anna asked"}},
        {"facts": {"kind": "state", "before": None, "after": "received by Anna"}},
        {"facts": {"kind": "artefact", "role": "edit", "sha256": "EF" * 32}},
        {"facts": {"kind": "destruction", "what": "photos of Anna", "count": 1, "sha256": "12" * 32}},
        {"facts": {"kind": "destruction", "what": "images", "count": -1, "sha256": "12" * 32}},
        {"facts": {"kind": "key", "event": "added", "key": "anna"}},
    ],
)
def test_what_an_entry_was_not_meant_to_carry_is_refused(change) -> None:
    changed = {**json.loads(MOVE.to_bytes()), **change}
    data = json.dumps(changed, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    with pytest.raises(MalformedRecordError) as caught:
        Entry.parse(data)
    assert "Anna" not in str(caught.value)  # a message is logged, and logs live long


def test_facts_are_refused_when_they_are_made() -> None:
    with pytest.raises(ValueError, match="pattern"):
        StateMove(before=None, after="received by Anna")
    with pytest.raises(MalformedRecordError, match="actor"):
        Entry.of(FACTS[0], seq=0, time=at(1), actor="Anna Schmidt")


def test_another_spelling_of_an_entry_is_refused() -> None:
    data = MOVE.to_bytes()
    for other in (data.replace(b":3", b": 3"), data + b"\n", json.dumps(json.loads(data)).encode()):
        with pytest.raises(MalformedRecordError):
            Entry.parse(other)
    with pytest.raises(MalformedRecordError, match="at most 4,096"):
        Entry.parse(data + b" " * 4096)


def test_a_later_version_is_named() -> None:
    with pytest.raises(NewerSchemaError, match=r"ledger-entry/v2.*Update"):
        Entry.parse(MOVE.to_bytes().replace(b"entry/v1", b"entry/v2"))


@given(st.binary(max_size=60) | st.integers(0, 200).map(lambda at: MOVE.to_bytes()[:at]))
def test_any_bytes_are_an_entry_or_refused(data) -> None:
    with pytest.raises(LedgerError):
        Entry.parse(data)


@given(st.integers(0, len(MOVE.to_bytes()) - 1), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_another_entry(place, byte) -> None:
    data = bytearray(MOVE.to_bytes())
    data[place] = byte
    try:
        entry = Entry.parse(bytes(data))
    except LedgerError:
        return
    assert entry.to_bytes() == bytes(data)


@given(st.datetimes())
def test_moments_are_those_of_the_calendar(moment) -> None:
    expected = calendar.timegm(moment.timetuple()) * 1_000_000 + moment.microsecond
    assert microseconds(moment.isoformat() + "Z") == expected


@pytest.mark.parametrize(
    "text",
    [
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00.1234567Z",
        "0000-01-01T00:00:00Z",
        "2026-01-01T00:00:00z",
        "2026-01-01T00:00:00Z\n",
        "\u0662026-01-01T00:00:00Z",
    ],
)
def test_other_times_are_refused(text) -> None:
    with pytest.raises(ValueError, match="expected"):
        microseconds(text)


@given(st.binary(max_size=40))
def test_base64_has_one_spelling(data) -> None:
    assert from_base64(to_base64(data)) == data


@pytest.mark.parametrize("text", ["QQ", "QQ=", "QR==", "QQ==\n", " QQ==", "Q-==", "QQ===", "é", "=", "Q"])
def test_other_spellings_of_base64_are_refused(text) -> None:
    with pytest.raises(ValueError, match="base64"):
        from_base64(text)


def test_facts_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        FACTS[0].after = "released"
