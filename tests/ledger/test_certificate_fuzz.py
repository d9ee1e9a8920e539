"""Nothing but a certificate's own content is ever accepted, and nothing but our own exceptions is raised."""

import base64
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.errors import CertificateError
from expunge.ledger import Verified, certify, issue, seal, verify
from tests.ledger.ledger_samples import FACTS, KEY, NEXT_KEY, STRANGER, at, ledger, statement
from tests.ledger.make_certificate_fixture import FIXTURE

GOOD = json.dumps(json.loads(FIXTURE.read_bytes()), ensure_ascii=False, separators=(",", ":")).encode()
CONTENT = verify(GOOD)

LOG = ledger(4)
A = issue(LOG, statement(), time=at(20), actor="system")
B = issue(LOG, statement("r-0002", accuracy=50.0), time=at(21), actor="system")
LOG.rotate(NEXT_KEY, time=at(22), actor="operator")
LOG.append(FACTS[0], time=at(23), actor="runner")
A_RENEWED = certify(LOG, seal(statement(), KEY), 4)


def accepted(certificate: str | bytes) -> Verified | None:
    """What was accepted, if anything; every exception that is not ours ends the test."""
    try:
        return verify(certificate)
    except CertificateError:
        return None


def mutations(data: bytes, at: int) -> Iterator[bytes]:
    before, byte, after = data[:at], data[at], data[at + 1 :]
    yield before + bytes([byte ^ 1 << at % 8]) + after
    yield before + after
    yield before + bytes([byte, byte]) + after
    yield before + bytes([b'0A"}\x00 \xff'[at % 7]]) + after
    yield before + after[:1] + bytes([byte]) + after[1:]


@pytest.mark.parametrize("kind", range(5))
def test_a_change_at_any_byte_changes_no_content(kind) -> None:
    """Five kinds of change, each at every fifth byte, so that every byte is changed in one way."""
    harmless = 0
    for place in range(kind, len(GOOD), 5):
        mutant = next(itertools.islice(mutations(GOOD, place), kind, None))
        found = accepted(mutant)
        assert found in (None, CONTENT)
        harmless += found is not None and mutant != GOOD
    assert harmless < 3  # an added space at most


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value below `value`, inner ones included."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from leaves(inner, (*path, key))


def opened(certificate: bytes | str) -> dict[str, Any]:
    """A certificate with its statement and entry as JSON inside, so that they can be changed, too."""
    data = json.loads(certificate)
    data["entry"] = json.loads(data["entry"])
    data["envelope"]["payload"] = json.loads(base64.b64decode(data["envelope"]["payload"]))
    return data


def closed(data: dict[str, Any]) -> str:
    """What `opened` opened, spelled canonically."""
    data = json.loads(json.dumps(data))
    spelled = {"sort_keys": True, "separators": (",", ":"), "ensure_ascii": False}
    if isinstance(data.get("entry"), dict):
        data["entry"] = json.dumps(data["entry"], **spelled)
    envelope = data.get("envelope")
    if isinstance(envelope, dict) and isinstance(envelope.get("payload"), dict):
        envelope["payload"] = base64.b64encode(json.dumps(envelope["payload"], **spelled).encode()).decode()
    return json.dumps(data)


def at_path(data: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        data = data[key]
    return data


OPEN, OTHER = opened(GOOD), opened(B)
PATHS = list(leaves(OPEN))


def test_opening_and_closing_changes_nothing() -> None:
    assert accepted(closed(OPEN)) == CONTENT
    assert len(PATHS) > 90


@pytest.mark.parametrize("value", [..., None, 0, -1, 2**70, 1.5, True, "", "x", [], {}, ["x"]], ids=repr)
def test_no_field_can_be_dropped_or_replaced(value) -> None:
    for path in PATHS:
        data = json.loads(json.dumps(OPEN))
        place = at_path(data, path[:-1])
        if value is ...:
            del place[path[-1]]
        else:
            place[path[-1]] = value
        if data != OPEN:
            assert accepted(closed(data)) is None, path


def test_no_field_can_be_taken_from_another_certificate() -> None:
    for path in PATHS:
        try:
            theirs = at_path(OTHER, path)
        except (KeyError, IndexError):
            continue
        data = json.loads(json.dumps(OPEN))
        at_path(data, path[:-1])[path[-1]] = theirs
        if data != OPEN:
            assert accepted(closed(data)) is None, path


def test_no_two_values_can_be_swapped() -> None:
    strings = [path for path in PATHS if isinstance(at_path(OPEN, path), str)]
    for one, other in itertools.islice(itertools.combinations(strings, 2), 0, None, 7):
        data = json.loads(json.dumps(OPEN))
        first, second = at_path(data, one), at_path(data, other)
        at_path(data, one[:-1])[one[-1]], at_path(data, other[:-1])[other[-1]] = second, first
        if data != OPEN:
            assert accepted(closed(data)) is None, (one, other)


def test_no_field_can_be_added() -> None:
    for path in [(), *PATHS]:
        data = json.loads(json.dumps(OPEN))
        place = at_path(data, path)
        if isinstance(place, dict):
            place["note"] = "approved by the regulator"
        elif isinstance(place, list):
            place.append("approved by the regulator")
        else:
            continue
        assert accepted(closed(data)) is None, path


def test_parts_of_three_certificates_combine_to_none_but_themselves() -> None:
    """Two statements in one ledger, and one of them renewed in the extended tree."""
    sources = [json.loads(text) for text in (A, B, A_RENEWED)]
    whole = [verify(text) for text in (A, B, A_RENEWED)]
    parts = [name for name in sources[0] if name != "schema"]
    counts = [0, 0, 0]
    for choice in itertools.product(sources, repeat=len(parts)):
        mixed = {name: source[name] for name, source in zip(parts, choice, strict=True)}
        found = accepted(json.dumps({"schema": "expunge/certificate/v1", **mixed}))
        if found is not None:
            counts[whole.index(found)] += 1
    # A and its renewal share envelope and entry (2 · 2 ways to say the same), A and B share the keys (2 ways).
    assert counts == [2 * 2 * 2, 2, 2 * 2]


def test_no_signature_can_be_replaced_by_a_stranger_s() -> None:
    envelope = seal(CONTENT.statement, STRANGER).to_record().model_dump(mode="json", by_alias=True)
    honest = json.loads(GOOD)
    for keyid in (honest["envelope"]["signatures"][0]["keyid"], envelope["signatures"][0]["keyid"]):
        forged = {**envelope, "signatures": [{**envelope["signatures"][0], "keyid": keyid}]}
        assert accepted(json.dumps({**honest, "envelope": forged})) is None


PRIMITIVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(
    PRIMITIVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)


@given(st.binary(max_size=60) | st.text(max_size=60) | JSON.map(json.dumps))
def test_whatever_comes_is_refused_in_our_words(data) -> None:
    assert accepted(data) is None


@given(st.sampled_from(PATHS), JSON)
@settings(max_examples=150)
def test_whatever_stands_in_a_field_is_refused_in_our_words(path, value) -> None:
    data = json.loads(json.dumps(OPEN))
    at_path(data, path[:-1])[path[-1]] = value
    assert accepted(closed(data)) in (None, CONTENT)
