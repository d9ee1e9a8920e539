"""Certificates put together from other parts, and keys over time."""

import base64
import json
from typing import Any

import pytest

from expunge.errors import (
    AlteredCertificateError,
    ReplayedCertificateError,
    RevokedKeyError,
    WrongKeyError,
)
from expunge.ledger import (
    Artefact,
    Envelope,
    KeyEvent,
    Log,
    SigningKey,
    certify,
    introduce,
    issue,
    parse_checkpoint,
    seal,
    verify,
)
from expunge.ledger._note import sign_note
from expunge.ledger.certificate import payload_digest
from tests.ledger.ledger_samples import FACTS, KEY, NEXT_KEY, STRANGER, at, ledger, sha, statement


def issued(log: Log | None = None, *, request: str = "r-0001") -> str:
    return issue(ledger(4) if log is None else log, statement(request), time=at(20), actor="system")


def edited(certificate: str, **changes: Any) -> str:
    return json.dumps({**json.loads(certificate), **changes})


def part(certificate: str, name: str) -> Any:
    return json.loads(certificate)[name]


def with_payload(certificate: str, payload: bytes, signer: SigningKey | None = None) -> str:
    envelope = part(certificate, "envelope")
    envelope["payload"] = base64.b64encode(payload).decode()
    if signer is not None:
        envelope = Envelope.seal(payload, signer).to_record().model_dump(mode="json", by_alias=True)
    return edited(certificate, envelope=envelope)


def test_an_altered_statement_is_refused() -> None:
    better = statement(accuracy=12.5).to_bytes()
    with pytest.raises(AlteredCertificateError, match="statement was changed"):
        verify(with_payload(issued(), better))


def test_a_statement_signed_anew_by_a_stranger_is_refused() -> None:
    certificate = with_payload(issued(), statement(accuracy=12.5).to_bytes(), STRANGER)
    with pytest.raises(WrongKeyError, match="no key of this ledger"):
        verify(certificate)


def test_a_statement_signed_anew_but_not_recorded_is_refused() -> None:
    """Even whoever holds the key has to leave a trace in the ledger."""
    with pytest.raises(ReplayedCertificateError, match="another certificate"):
        verify(with_payload(issued(), statement(accuracy=12.5).to_bytes(), KEY))


def test_parts_of_another_certificate_are_refused() -> None:
    log = ledger(4)
    one, other = issued(log), issued(log, request="r-0002")
    with pytest.raises(ReplayedCertificateError):
        verify(edited(one, entry=part(other, "entry")))
    with pytest.raises(ReplayedCertificateError):
        verify(edited(one, **{name: part(other, name) for name in ("entry", "inclusion", "checkpoint")}))
    with pytest.raises(ReplayedCertificateError):
        verify(edited(one, envelope=part(other, "envelope")))
    for name in ("inclusion", "checkpoint"):
        with pytest.raises(AlteredCertificateError, match="not in the ledger"):
            verify(edited(one, **{name: part(other, name)}))
    assert verify(edited(other, **{name: part(one, name) for name in ("keys",)})).entry.request == "r-0002"


def test_an_entry_of_another_kind_or_request_is_refused() -> None:
    envelope = seal(statement(), KEY)
    digest = payload_digest(envelope)
    for facts, request in (
        (Artefact(role="scorecard", sha256=digest), "r-0001"),
        (Artefact(role="certificate", sha256=sha("other")), "r-0001"),
        (Artefact(role="certificate", sha256=digest), "r-0009"),
        (Artefact(role="certificate", sha256=digest), None),
    ):
        log = ledger(4)
        log.append(facts, time=at(20), actor="system", request=request)
        proof = log.prove(4)
        path = [base64.b64encode(sibling).decode() for sibling in proof.path]
        parts = {"entry": proof.entry.decode(), "inclusion": path, "checkpoint": proof.checkpoint}
        with pytest.raises(ReplayedCertificateError):
            verify(edited(issued(), **parts))


def test_a_checkpoint_of_another_ledger_is_refused() -> None:
    other = issue(ledger(4, signer=STRANGER), statement(), time=at(20), actor="system")
    with pytest.raises(AlteredCertificateError, match="list of keys"):
        verify(edited(issued(), checkpoint=part(other, "checkpoint")))
    parts = {name: part(other, name) for name in ("checkpoint", "keys", "inclusion", "entry")}
    with pytest.raises(WrongKeyError, match="no key of this ledger"):
        verify(edited(issued(), **parts))


def test_a_changed_checkpoint_is_refused() -> None:
    certificate = issued()
    note = part(certificate, "checkpoint")
    with pytest.raises(AlteredCertificateError, match="checkpoint was changed"):
        verify(edited(certificate, checkpoint=note.replace("\n5\n", "\n6\n")))
    body = note.rpartition("\n\n")[0]
    with pytest.raises(WrongKeyError, match="checkpoint is not signed"):
        verify(edited(certificate, checkpoint=f"{body}\n\n— someone AAAAAAAA\n"))


def rotated(*, revoke: bool = False) -> tuple[Log, str]:
    """A ledger with a certificate by the old key in entry 4, and what the certificate was then."""
    log = ledger(4)
    before = issued(log)
    log.rotate(NEXT_KEY, time=at(21), actor="operator", revoke=revoke)
    return log, before


def test_a_certificate_of_a_retired_key_stays_good() -> None:
    log, before = rotated()
    renewed = certify(log, seal(statement(), KEY), 4)
    for certificate in (before, renewed):
        assert verify(certificate, KEY.public.raw).signer == KEY.public


def test_the_old_key_is_enough_for_what_the_new_one_signs() -> None:
    log, _ = rotated()
    found = verify(issued(log, request="r-0002"), KEY.public.raw)
    assert (found.signer, found.trusted) == (NEXT_KEY.public, True)
    assert verify(issued(log, request="r-0003"), NEXT_KEY.public.raw).trusted


def test_the_new_key_says_nothing_of_old_certificates() -> None:
    """Trust runs forward: the old key introduced the new one, not the other way round."""
    log, before = rotated()
    for certificate in (before, certify(log, seal(statement(), KEY), 4)):
        with pytest.raises(WrongKeyError):
            verify(certificate, NEXT_KEY.public.raw)


def test_what_a_revoked_key_signed_before_stays_verifiable() -> None:
    log, before = rotated(revoke=True)
    assert verify(before, KEY.public.raw).trusted
    assert verify(certify(log, seal(statement(), KEY), 4)).signer == KEY.public
    with pytest.raises(WrongKeyError):
        verify(issued(log, request="r-0002"), KEY.public.raw)  # a revoked key vouches for nobody
    assert verify(issued(log, request="r-0003"), NEXT_KEY.public.raw).trusted


@pytest.mark.parametrize("revoke", [False, True])
def test_what_an_ended_key_signs_later_is_refused(revoke) -> None:
    log, _ = rotated(revoke=revoke)
    envelope = seal(statement("r-0002"), KEY)
    facts = Artefact(role="certificate", sha256=payload_digest(envelope))
    index = log.append(facts, time=at(30), actor="system", request="r-0002")
    with pytest.raises(RevokedKeyError, match="not in force at entry 7"):
        verify(certify(log, envelope, index))


def test_a_checkpoint_that_an_ended_key_signs_later_is_refused() -> None:
    log, _ = rotated()
    certificate = certify(log, seal(statement(), KEY), 4)
    checkpoint, _ = parse_checkpoint(part(certificate, "checkpoint"))
    with pytest.raises(RevokedKeyError, match="checkpoint is signed by"):
        verify(edited(certificate, checkpoint=sign_note(str(checkpoint), KEY)))


def test_a_revocation_cannot_be_hidden_or_undone() -> None:
    log, _ = rotated(revoke=True)
    certificate = certify(log, seal(statement(), KEY), 4)
    keys = part(certificate, "keys")
    for hidden in (
        [{**keys[0], "revoked": None}, keys[1]],
        [{**keys[0], "revoked": 99}, keys[1]],
        [{**keys[0], "revoked": None, "retired": 6}, keys[1]],
        keys[:1],
        keys[::-1],
        [*keys, keys[1]],
    ):
        with pytest.raises(AlteredCertificateError, match="list of keys"):
            verify(edited(certificate, keys=hidden))


def test_a_key_added_without_a_voucher_leads_to_nobody() -> None:
    log = ledger(4)
    log.append(introduce(NEXT_KEY.public), time=at(10), actor="operator")
    log.signer = NEXT_KEY
    log.append(KeyEvent(event="retired", key=str(KEY.public)), time=at(11), actor="operator")
    with pytest.raises(WrongKeyError):
        verify(issued(log), KEY.public.raw)
    assert verify(issued(log, request="r-0002"), NEXT_KEY.public.raw).trusted


def test_a_certificate_whose_checkpoint_nobody_trusted_signed_is_refused() -> None:
    """The statement is by the old key, the tree by a key that it never introduced."""
    log = ledger(4)
    issued(log)
    log.append(introduce(NEXT_KEY.public), time=at(21), actor="operator")
    log.signer = NEXT_KEY
    log.append(FACTS[0], time=at(22), actor="runner")
    with pytest.raises(WrongKeyError, match="checkpoint is signed by"):
        verify(certify(log, seal(statement(), KEY), 4), KEY.public.raw)
