"""Verifies a certificate with nothing but the certificate and, better, a public key. Needs no network and no torch."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from expunge.errors import (
    AlteredCertificateError,
    CertificateError,
    KeyFileError,
    LedgerError,
    MalformedCertificateError,
    MalformedRecordError,
    NewerCertificateError,
    NewerSchemaError,
    NoteError,
    ReplayedCertificateError,
    RevokedKeyError,
    TruncatedCertificateError,
    WrongKeyError,
)
from expunge.ledger._merkle import includes, leaf_hash
from expunge.ledger._note import Note
from expunge.ledger.certificate import Certificate, records
from expunge.ledger.checkpoint import Checkpoint, parse_checkpoint
from expunge.ledger.dsse import Envelope
from expunge.ledger.entries import Entry
from expunge.ledger.keyring import KeyRing
from expunge.ledger.keys import PublicKey
from expunge.ledger.statement import Statement
from expunge.ledger.text import from_base64

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Verified:
    """Content of a certificate that has been verified.

    Attributes:
        statement: The signed statement.
        entry: The ledger entry that records it.
        checkpoint: The ledger that holds the entry.
        signer: The key that signed the statement.
        trusted: Whether the signer is the key that the reader trusts, or was introduced by it. If not, only
            integrity is shown: anybody could have made such a certificate with a key of their own.
        checks: What was checked, in words.
    """

    statement: Statement
    entry: Entry
    checkpoint: Checkpoint
    signer: PublicKey
    trusted: bool
    checks: tuple[str, ...]


def verify(certificate: str | bytes, trusted: bytes | None = None) -> Verified:
    """Verifies a certificate.

    Args:
        certificate: The text of the file.
        trusted: A public key that the reader trusts, 32 raw bytes (`read_public` reads one).

    Raises:
        TruncatedCertificateError: The text ends too early.
        MalformedCertificateError: It is no certificate.
        NewerCertificateError: It needs a later version of this software.
        AlteredCertificateError: Something was changed after it was signed.
        ReplayedCertificateError: It carries the ledger entry of another certificate.
        RevokedKeyError: A signature was made by a key that was no longer in force.
        WrongKeyError: It was signed by a key that the ledger or the reader does not know.
    """
    file = _parsed(certificate)
    envelope = _wellformed(lambda: Envelope.of(file.envelope))
    entry = _wellformed(lambda: Entry.parse(file.entry.encode()))
    checkpoint, note = _wellformed(lambda: parse_checkpoint(file.checkpoint))
    ring = _wellformed(lambda: _ring(file, checkpoint))

    keepers = _checkpoint_signers(ring, checkpoint, note)
    signer = _statement_signer(ring, envelope, entry)
    _require_recorded(file, envelope, entry, checkpoint)
    statement = _wellformed(lambda: Statement.parse(envelope.payload))
    if statement.predicate.request.id != entry.request:
        raise ReplayedCertificateError("The ledger entry belongs to another request than the statement.")
    if trusted is not None:
        _require_trusted(ring, signer, keepers, trusted)
    return Verified(statement, entry, checkpoint, signer, trusted is not None, _checks(signer, entry, checkpoint))


def _parsed(certificate: str | bytes) -> Certificate:
    data = certificate if isinstance(certificate, bytes) else certificate.encode("utf-8", "surrogatepass")
    try:
        return Certificate.parse(data)
    except NewerSchemaError as error:
        raise NewerCertificateError(str(error)) from error
    except MalformedRecordError as error:
        if _ends_early(data, error.__cause__):
            raise TruncatedCertificateError("This certificate ends too early. Ask for the whole file.") from error
        raise MalformedCertificateError(str(error)) from error


def _ends_early(data: bytes, cause: BaseException | None) -> bool:
    rest = data.rstrip()
    if isinstance(cause, json.JSONDecodeError):
        return not rest.endswith(b"}") or cause.pos >= len(rest.decode())
    return isinstance(cause, UnicodeDecodeError) and cause.end == len(data) and cause.reason == "unexpected end of data"


def _wellformed(read: Callable[[], T]) -> T:
    """Reads a part of a certificate; whatever is wrong with it becomes the exception of a certificate."""
    try:
        return read()
    except CertificateError:
        raise
    except NewerSchemaError as error:
        raise NewerCertificateError(str(error)) from error
    except (LedgerError, KeyFileError) as error:
        raise MalformedCertificateError(str(error)) from error


def _ring(file: Certificate, checkpoint: Checkpoint) -> KeyRing:
    ring = KeyRing(file.keys)
    if ring.digest != checkpoint.keys or ring.origin != checkpoint.origin:
        raise AlteredCertificateError("The list of keys is not the one that the checkpoint was signed over.")
    return ring


def _checkpoint_signers(ring: KeyRing, checkpoint: Checkpoint, note: Note) -> tuple[PublicKey, ...]:
    """The keys in force that signed the checkpoint; at least one."""
    try:
        signers = note.signers(ring.publics)
    except NoteError as error:
        raise AlteredCertificateError(f"The checkpoint was changed after it was signed. {error}") from error
    if not signers:
        raise WrongKeyError("The checkpoint is not signed by a key of its ledger.")
    found = tuple(key for key in signers if ring.find(key.id).in_force(checkpoint.size))
    if not found:
        raise RevokedKeyError(f"The checkpoint is signed by {signers[0].id}, which was not in force any more.")
    return found


def _statement_signer(ring: KeyRing, envelope: Envelope, entry: Entry) -> PublicKey:
    key = next((key for key in ring.publics if key.id == envelope.keyid), None)
    if key is None:
        raise WrongKeyError(f"The statement is signed by {envelope.keyid}, which is no key of this ledger.")
    if not envelope.is_by(key):
        raise AlteredCertificateError(f"The statement was changed after {key.id} signed it.")
    if not ring.find(key.id).in_force(entry.seq + 1):
        raise RevokedKeyError(f"The statement is signed by {key.id}, which was not in force at entry {entry.seq}.")
    return key


def _require_recorded(file: Certificate, envelope: Envelope, entry: Entry, checkpoint: Checkpoint) -> None:
    if not records(entry, envelope):
        raise ReplayedCertificateError("The ledger entry is that of another certificate, or of something else.")
    path = [from_base64(sibling) for sibling in file.inclusion]
    if not includes(checkpoint.root, checkpoint.size, entry.seq, leaf_hash(file.entry.encode()), path):
        raise AlteredCertificateError(f"Entry {entry.seq} as given here is not in the ledger of the checkpoint.")


def _require_trusted(ring: KeyRing, signer: PublicKey, keepers: tuple[PublicKey, ...], trusted: bytes) -> None:
    if not ring.leads_to(signer, trusted):
        raise WrongKeyError(f"The statement is signed by {signer.id}, which is not the given key nor introduced by it.")
    if not any(ring.leads_to(key, trusted) for key in keepers):
        raise WrongKeyError(
            f"The checkpoint is signed by {keepers[0].id}, which is not the given key nor introduced by it."
        )


def _checks(signer: PublicKey, entry: Entry, checkpoint: Checkpoint) -> tuple[str, ...]:
    return (
        f"the statement is signed by {signer.id}",
        f"its digest is recorded in entry {entry.seq} of the ledger {checkpoint.origin}",
        f"that entry is in the tree of {checkpoint.size} entries whose root the checkpoint signs",
        "the keys were in force when they signed, as of this checkpoint",
    )
