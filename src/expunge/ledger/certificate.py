"""Certificates, format expunge/certificate/v1: a signed statement with all that is needed to verify it offline."""

import hashlib
import json
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from expunge.errors import KeyRingError, LedgerError
from expunge.ledger.dsse import Envelope, EnvelopeRecord
from expunge.ledger.entries import MOST_BYTES as MOST_ENTRY_BYTES
from expunge.ledger.entries import Artefact, Entry
from expunge.ledger.keyring import KeyRecord
from expunge.ledger.keys import SigningKey
from expunge.ledger.log import Log
from expunge.ledger.records import Base64Hash, Record, read_record
from expunge.ledger.statement import Statement
from expunge.ledger.text import to_base64

SCHEMA = "expunge/certificate/v1"
ROLE = "certificate"
MOST_BYTES = 4 << 20


class Certificate(Record):
    """The file.

    Attributes:
        schema_: Name and version of the format; the key is `schema`.
        envelope: The signed statement (DSSE).
        entry: The ledger entry that holds the digest of the statement's bytes, as it stands in the ledger.
        inclusion: The path from that entry to the root of the checkpoint, nearest sibling first.
        checkpoint: A signed checkpoint of the ledger.
        keys: All keys of the ledger with their history. The checkpoint commits to them.
    """

    schema_: Annotated[Literal["expunge/certificate/v1"], Field(alias="schema")] = SCHEMA
    envelope: EnvelopeRecord
    entry: Annotated[str, StringConstraints(max_length=MOST_ENTRY_BYTES)]
    inclusion: Annotated[tuple[Base64Hash, ...], Field(max_length=63)]
    checkpoint: Annotated[str, StringConstraints(max_length=65_536)]
    keys: Annotated[tuple[KeyRecord, ...], Field(min_length=1, max_length=1_000)]

    @classmethod
    def parse(cls, data: bytes) -> "Certificate":
        """Reads a file; verifies nothing yet.

        Raises:
            NewerSchemaError: It follows a later version.
            MalformedRecordError: It does not follow the schema.
        """
        return read_record(cls, data, limit=MOST_BYTES, what="certificate", version=("schema", SCHEMA))

    def to_json(self) -> str:
        """The text of the file: two-space indent, one trailing newline."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), indent=2, ensure_ascii=False) + "\n"


def seal(statement: Statement, signer: SigningKey) -> Envelope:
    """Signs a statement. The same statement and key give the same bytes."""
    return Envelope.seal(statement.to_bytes(), signer)


def issue(log: Log, statement: Statement, *, time: str, actor: str) -> str:
    """Signs a statement, records its digest in the ledger and returns the certificate's text.

    After a crash in between, `certify` with the same statement makes the certificate of the entry that is there.

    Raises:
        KeyRingError: The log has no signer, or its key is not in force.
        LedgerError: As `Log.append`.
    """
    if log.signer is None:
        raise KeyRingError("A certificate needs a key to sign with.")
    envelope = seal(statement, log.signer)
    facts = Artefact(role=ROLE, sha256=payload_digest(envelope), bytes=len(envelope.payload))
    index = log.append(facts, time=time, actor=actor, request=statement.predicate.request.id)
    return certify(log, envelope, index)


def certify(log: Log, envelope: Envelope, index: int) -> str:
    """The certificate of a statement that is recorded already, under the ledger's last checkpoint.

    With an older certificate's envelope it renews that certificate: the keys' history is then that of today.

    Raises:
        LedgerError: Entry `index` does not record this statement.
    """
    proof = log.prove(index)
    if not records(Entry.parse(proof.entry), envelope):
        raise LedgerError(f"Entry {index} does not record this statement.")
    certificate = Certificate(
        envelope=envelope.to_record(),
        entry=proof.entry.decode(),
        inclusion=tuple(map(to_base64, proof.path)),
        checkpoint=proof.checkpoint,
        keys=log.ring.records,
    )
    return certificate.to_json()


def records(entry: Entry, envelope: Envelope) -> bool:
    """Whether an entry holds the digest of this envelope's payload, as that of a certificate."""
    facts = entry.facts
    return isinstance(facts, Artefact) and (facts.role, facts.sha256) == (ROLE, payload_digest(envelope))


def payload_digest(envelope: Envelope) -> str:
    """SHA-256 of the signed bytes, in hexadecimal."""
    return hashlib.sha256(envelope.payload).hexdigest()
