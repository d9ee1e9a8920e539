"""DSSE envelopes, protocol version 1: bytes, what they are, and a signature over both.

The bytes are signed and verified as they are; nothing is ever written again in order to verify it.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints

from expunge.errors import MalformedRecordError
from expunge.ledger.entries import KeyId, Signature64
from expunge.ledger.keys import PublicKey, SigningKey
from expunge.ledger.records import Record
from expunge.ledger.text import from_base64, to_base64

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MOST_PAYLOAD_BYTES = 1 << 20


class SignatureRecord(Record):
    """A signature as JSON carries it."""

    keyid: KeyId
    sig: Signature64


class EnvelopeRecord(Record):
    """An envelope as JSON carries it."""

    payload: Annotated[str, StringConstraints(max_length=MOST_PAYLOAD_BYTES // 3 * 4 + 4)]
    payload_type: Literal["application/vnd.in-toto+json"] = Field(alias="payloadType")
    signatures: tuple[SignatureRecord]


def pae(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding: what is signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


@dataclass(frozen=True, slots=True)
class Envelope:
    """An in-toto payload under one Ed25519 signature.

    Attributes:
        payload: The signed bytes.
        keyid: ID of the key, `PublicKey.id`. A hint only: it is not signed.
        signature: 64 bytes.
    """

    payload: bytes
    keyid: str
    signature: bytes

    @classmethod
    def seal(cls, payload: bytes, signer: SigningKey) -> Self:
        """Signs bytes.

        Raises:
            MalformedRecordError: They are too many.
        """
        if len(payload) > MOST_PAYLOAD_BYTES:
            raise MalformedRecordError(f"A payload has at most {MOST_PAYLOAD_BYTES:,} bytes; got {len(payload):,}.")
        return cls(payload, signer.public.id, signer.sign(pae(PAYLOAD_TYPE, payload)))

    def is_by(self, key: PublicKey) -> bool:
        """Whether this key signed the payload."""
        return key.verifies(self.signature, pae(PAYLOAD_TYPE, self.payload))

    def to_record(self) -> EnvelopeRecord:
        """This envelope for JSON."""
        signature = SignatureRecord(keyid=self.keyid, sig=to_base64(self.signature))
        return EnvelopeRecord(payload=to_base64(self.payload), payloadType=PAYLOAD_TYPE, signatures=(signature,))

    @classmethod
    def of(cls, record: EnvelopeRecord) -> Self:
        """The envelope that JSON carried.

        Raises:
            MalformedRecordError: Its base64 is not canonical.
        """
        (signature,) = record.signatures
        try:
            return cls(from_base64(record.payload), signature.keyid, from_base64(signature.sig))
        except ValueError as error:
            raise MalformedRecordError(f"This envelope is malformed: {error}.") from error
