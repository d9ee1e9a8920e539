import json

import pytest
from securesystemslib import dsse as reference
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey  # pyright: ignore[reportPrivateImportUsage]

from expunge.errors import MalformedRecordError
from expunge.ledger import Certificate, Envelope, PublicKey, issue, seal
from expunge.ledger.dsse import MOST_PAYLOAD_BYTES, EnvelopeRecord, pae
from tests.ledger.ledger_samples import KEY, NEXT_KEY, at, ledger, statement

PAYLOAD = statement().to_bytes()


def reference_key(key: PublicKey) -> SSlibKey:
    return SSlibKey(key.id, "ed25519", "ed25519", {"public": key.raw.hex()})


def test_the_encoding_is_that_of_the_protocol() -> None:
    """The example of the DSSE specification."""
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_securesystemslib_verifies_the_envelope_of_a_certificate() -> None:
    certificate = json.loads(issue(ledger(3), statement(), time=at(9), actor="system"))
    envelope = reference.Envelope.from_dict(certificate["envelope"])
    key = reference_key(KEY.public)
    assert envelope.verify([key], 1) == {KEY.public.id: key}
    assert envelope.payload_type == "application/vnd.in-toto+json"
    assert json.loads(envelope.payload)["_type"] == "https://in-toto.io/Statement/v1"
    with pytest.raises(VerificationError):
        envelope.verify([reference_key(NEXT_KEY.public)], 1)
    envelope.payload += b" "
    with pytest.raises(VerificationError):
        envelope.verify([key], 1)


def test_we_verify_what_securesystemslib_signs() -> None:
    signer = CryptoSigner(KEY._private, reference_key(KEY.public))
    theirs = reference.Envelope(PAYLOAD, "application/vnd.in-toto+json", {})
    theirs.sign(signer)
    ours = Envelope.of(EnvelopeRecord.model_validate_json(json.dumps(theirs.to_dict())))
    assert ours.is_by(KEY.public)
    assert ours == seal(statement(), KEY)


def test_another_key_or_byte_is_not_verified() -> None:
    envelope = seal(statement(), KEY)
    assert envelope.is_by(KEY.public)
    assert not envelope.is_by(NEXT_KEY.public)
    assert not Envelope(envelope.payload + b" ", envelope.keyid, envelope.signature).is_by(KEY.public)
    assert not Envelope(envelope.payload, envelope.keyid, envelope.signature[::-1]).is_by(KEY.public)


def test_the_record_carries_the_same_bytes() -> None:
    envelope = seal(statement(), KEY)
    assert Envelope.of(envelope.to_record()) == envelope


@pytest.mark.parametrize("payload", ["e30", "e31=", "e30=\n", "_w==", "\u00e9"])
def test_other_base64_is_refused(payload) -> None:
    record = seal(statement(), KEY).to_record().model_copy(update={"payload": payload})
    with pytest.raises(MalformedRecordError, match="base64"):
        Envelope.of(record)


def test_a_huge_payload_is_not_signed() -> None:
    with pytest.raises(MalformedRecordError, match="at most 1,048,576 bytes"):
        Envelope.seal(bytes(MOST_PAYLOAD_BYTES + 1), KEY)


def test_a_certificate_has_one_signature() -> None:
    certificate = json.loads(issue(ledger(3), statement(), time=at(9), actor="system"))
    for count in (0, 2):
        certificate["envelope"]["signatures"] = certificate["envelope"]["signatures"][:1] * count
        with pytest.raises(MalformedRecordError, match="signatures"):
            Certificate.parse(json.dumps(certificate).encode())
