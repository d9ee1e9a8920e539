"""Ledger entries, format expunge/ledger-entry/v1: who did what and when, and nothing personal.

Each kind of fact has its own fixed fields. None of them takes prose: codes and pseudonyms are short ASCII tokens,
everything longer is represented by its digest. An entry's canonical bytes are a leaf of the tree.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, ValidationError

from expunge.errors import MalformedRecordError
from expunge.ledger.records import Count, Moment, Record, Sha256, Token, first_problem, read_record

SCHEMA = "expunge/ledger-entry/v1"
MOST_BYTES = 4_096

KeyId = Annotated[str, StringConstraints(pattern=r"^[!-*,-~]{1,128}\+[0-9a-f]{8}$")]
VerifierKey = Annotated[str, StringConstraints(pattern=r"^[!-*,-~]{1,128}\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}$")]
Signature64 = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{86}==$")]


class StateMove(Record):
    """A request moved from one state to another.

    Attributes:
        before: State it left; None for a new request.
        after: State it is in now.
        reason: A code. What a person wrote is represented by `reason_sha256`.
        reason_sha256: Digest of the reason in words, better keyed: short texts can be guessed.
    """

    kind: Literal["state"] = "state"
    before: Token | None
    after: Token
    reason: Token | None = None
    reason_sha256: Sha256 | None = None


class Artefact(Record):
    """Something was made or measured.

    Attributes:
        role: What it is: `edit`, `model`, `scorecard`, `certificate`.
        sha256: Its digest.
        bytes: Its size, where it is a file.
    """

    kind: Literal["artefact"] = "artefact"
    role: Token
    sha256: Sha256
    bytes: Count | None = None


class KeyEvent(Record):
    """A signing key was added, retired or revoked.

    Attributes:
        event: What happened. A retired key's signatures stand, and so do those it made for others; a revoked
            key's stand only for what the ledger held before.
        key: The key, as a verifier key of C2SP signed-note.
        vouched_by: ID of the key that introduced it.
        voucher: Signature by that key, see `expunge.ledger.keyring.voucher_text`.
    """

    kind: Literal["key"] = "key"
    event: Literal["added", "retired", "revoked"]
    key: VerifierKey
    vouched_by: KeyId | None = None
    voucher: Signature64 | None = None


class PolicyChange(Record):
    """Another policy decides from now on.

    Attributes:
        name: Name of the policy.
        sha256: Digest of its text.
        replaces: Digest of the one before.
    """

    kind: Literal["policy"] = "policy"
    name: Token
    sha256: Sha256
    replaces: Sha256 | None = None


class Destruction(Record):
    """Personal data was destroyed.

    Attributes:
        what: A code: `forget-images`, `class-statistics`, `subject-reference`.
        count: How many things.
        sha256: One digest over the sorted digests of all of them.
    """

    kind: Literal["destruction"] = "destruction"
    what: Token
    count: Count
    sha256: Sha256


Facts = StateMove | Artefact | KeyEvent | PolicyChange | Destruction


class Entry(Record):
    """One entry.

    Attributes:
        schema_: Name and version of the format; the key is `schema`.
        seq: Its index in the ledger, from 0.
        time: When, as the caller's clock said.
        actor: Who, as a pseudonym.
        request: ID of the request that it belongs to, if any.
        facts: What happened.
    """

    schema_: Annotated[Literal["expunge/ledger-entry/v1"], Field(alias="schema")] = SCHEMA
    seq: Count
    time: Moment
    actor: Token
    request: Token | None
    facts: Annotated[Facts, Field(discriminator="kind")]

    @classmethod
    def of(cls, facts: Facts, *, seq: int, time: str, actor: str, request: str | None = None) -> Self:
        """An entry for these facts.

        Raises:
            MalformedRecordError: A value is not of the short, impersonal form that an entry takes.
        """
        try:
            return cls(seq=seq, time=time, actor=actor, request=request, facts=facts)
        except ValidationError as error:
            raise MalformedRecordError(f"This is no entry for a ledger: {first_problem(error)}.") from error

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Reads an entry's bytes.

        Raises:
            NewerSchemaError: The entry follows a later version.
            MalformedRecordError: It does not follow its schema, or is not spelled canonically.
        """
        entry = read_record(cls, data, limit=MOST_BYTES, what="ledger entry", version=("schema", SCHEMA))
        if entry.to_bytes() != data:
            raise MalformedRecordError("This ledger entry is not spelled in canonical JSON (RFC 8785).")
        return entry
