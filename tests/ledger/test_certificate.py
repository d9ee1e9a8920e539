import json
from typing import Any

import pytest

from expunge.errors import (
    CertificateError,
    KeyRingError,
    LedgerError,
    MalformedCertificateError,
    NewerCertificateError,
    RevokedKeyError,
    TruncatedCertificateError,
    WrongKeyError,
)
from expunge.ledger import (
    Artefact,
    Envelope,
    Log,
    MemoryStorage,
    Statement,
    certify,
    issue,
    seal,
    verify,
)
from expunge.ledger._canonical import canonical
from expunge.ledger.certificate import payload_digest
from tests.ledger.ledger_samples import KEY, NAME, STRANGER, at, ledger, sha, statement
from tests.ledger.make_certificate_fixture import FIXTURE, text


def issued(log: Log | None = None, *, request: str = "r-0001") -> str:
    return issue(ledger(4) if log is None else log, statement(request), time=at(20), actor="system")


def edited(certificate: str, **changes: Any) -> str:
    return json.dumps({**json.loads(certificate), **changes})


def part(certificate: str, name: str) -> Any:
    return json.loads(certificate)[name]


def test_a_certificate_verifies_with_nothing_but_the_key() -> None:
    found = verify(issued(), KEY.public.raw)
    assert found.trusted
    assert found.statement == statement()
    assert (found.signer, found.checkpoint.origin, found.checkpoint.size) == (KEY.public, NAME, 5)
    assert (found.entry.seq, found.entry.request) == (4, "r-0001")


def test_without_a_key_only_integrity_is_shown() -> None:
    assert not verify(issued()).trusted
    fake = issue(ledger(4, signer=STRANGER), statement(), time=at(20), actor="system")
    assert not verify(fake).trusted
    with pytest.raises(WrongKeyError, match="not the given key"):
        verify(fake, KEY.public.raw)


def test_the_committed_certificate_verifies_for_ever() -> None:
    found = verify(FIXTURE.read_bytes(), KEY.public.raw)
    assert found.trusted
    assert (found.signer, found.checkpoint.size, found.entry.seq) == (KEY.public, 9, 5)
    assert found.statement.digest_of("model-after") == sha("after")
    assert found.statement.predicate.scorecard["acc_f"] == {"before": 97.5, "after": 0, "ci95": [0, 8.8], "n": 40}
    assert found.statement.predicate.request.id == "r-0001"


def test_this_version_still_writes_the_same_bytes() -> None:
    assert text() == FIXTURE.read_text()


def test_formatting_the_file_changes_nothing() -> None:
    certificate = issued()
    assert verify(json.dumps(json.loads(certificate))) == verify(certificate)


def test_a_statement_is_sealed_with_the_same_bytes_again() -> None:
    """So a certificate can be made of an entry that was written before a crash."""
    log = ledger(4)
    certificate = issued(log)
    assert certify(log, seal(statement(), KEY), 4) == certificate
    with pytest.raises(LedgerError, match="does not record this statement"):
        certify(log, seal(statement("r-0002"), KEY), 4)
    with pytest.raises(LedgerError, match="does not record this statement"):
        certify(log, seal(statement(), KEY), 3)
    with pytest.raises(KeyRingError, match="needs a key"):
        issue(Log(MemoryStorage()), statement(), time=at(20), actor="system")


# --- Damage ---


@pytest.mark.parametrize("keep", [0, 1, 40, 400, -3, -100, -1000])
def test_a_truncated_certificate_is_called_so(keep) -> None:
    certificate = issued()
    with pytest.raises(TruncatedCertificateError):
        verify(certificate[: keep if keep >= 0 else len(certificate) + keep])


def test_a_certificate_cut_inside_a_letter_is_truncated() -> None:
    certificate = issued().encode()
    with pytest.raises(TruncatedCertificateError):
        verify(certificate[: certificate.index("—".encode()) + 1])


@pytest.mark.parametrize(
    "certificate",
    [
        "[]",
        "null",
        '"certificate"',
        "{}",
        "\x00{}",
        "{" + '"a":' * 3000 + "}",
        '{"schema": "expunge/certificate/v1"}',
        '{"schema": "something/else/v1"}',
        "\ud800}",
    ],
)
def test_what_is_no_certificate_is_malformed(certificate) -> None:
    with pytest.raises(MalformedCertificateError):
        verify(certificate)


def test_a_huge_file_is_not_even_read() -> None:
    with pytest.raises(MalformedCertificateError, match="at most 4,194,304 bytes"):
        verify(" " * (4 << 20) + "{}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("schema", "expunge/certificate/v0"),
        ("comment", "signed by the regulator"),
        ("entry", "{}"),
        ("entry", ""),
        ("inclusion", ["AAAA"]),
        ("inclusion", ["AAAA" * 11] * 64),
        ("inclusion", "none"),
        ("checkpoint", "none"),
        ("keys", []),
        ("keys", [{"key": "none"}]),
        ("envelope", {}),
    ],
)
def test_a_part_of_another_form_is_malformed(name, value) -> None:
    with pytest.raises(MalformedCertificateError):
        verify(edited(issued(), **{name: value}))


def test_a_key_given_twice_is_malformed() -> None:
    certificate = issued()
    twice = certificate.replace('"schema"', '"schema": "expunge/certificate/v1",\n  "schema"')
    with pytest.raises(MalformedCertificateError, match="given twice"):
        verify(twice)


def test_later_versions_are_named() -> None:
    log = ledger(4)
    later = statement().to_bytes().replace(b"erasure/v1", b"erasure/v2")
    envelope = Envelope.seal(later, KEY)
    facts = Artefact(role="certificate", sha256=payload_digest(envelope))
    certificate = certify(log, envelope, log.append(facts, time=at(20), actor="system", request="r-0001"))
    for newer in (
        certificate,
        edited(certificate, schema="expunge/certificate/v2"),
        edited(certificate, entry=part(certificate, "entry").replace("entry/v1", "entry/v7")),
    ):
        with pytest.raises(NewerCertificateError, match="Update"):
            verify(newer)


def test_all_refusals_are_certificate_errors() -> None:
    for error in (TruncatedCertificateError, NewerCertificateError, RevokedKeyError, WrongKeyError):
        assert issubclass(error, CertificateError)
        assert issubclass(error, ValueError)
    assert Statement.parse(canonical(json.loads(statement().to_bytes()))) == statement()
