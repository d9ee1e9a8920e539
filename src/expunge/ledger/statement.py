"""Statement of a certificate: an in-toto Statement v1 with our own predicate.

`https://expunge.dev/attestation/erasure/v1` is a name; nothing is fetched from there.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, StringConstraints, model_validator

from expunge.ledger.dsse import MOST_PAYLOAD_BYTES
from expunge.ledger.records import Count, Moment, Record, Sha256, Token, read_record

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://expunge.dev/attestation/erasure/v1"
CLAIM = (
    "Measured evidence of what the edited model still knows of the named targets, under the stated measures and "
    "limits. It is not a proof of deletion."
)
OUT_OF_SCOPE = (
    "backups of models, images and statistics",
    "downstream copies of the model, and models derived from it",
    "other models that were trained on the same images",
    "galleries and indexes of embeddings",
    "the training data itself, wherever it is kept",
    "logs, caches and outputs that the model produced earlier",
)
"""Places that an edit of one model does not reach; a statement may say more, and should not say less."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class DigestSet(Record):
    """Digests of one thing."""

    sha256: Sha256


class Subject(Record):
    """One thing that the statement is about."""

    name: Literal["model-before", "model-after", "edit"]
    digest: DigestSet


class Target(Record):
    """A class that was to be forgotten: its name if the policy lets it be shown, else a keyed digest of it."""

    name: Name | None = None
    digest: Sha256 | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.name is None) == (self.digest is None):
            raise ValueError("expected either a name or a digest")
        return self


class RequestFacts(Record):
    """The request.

    Attributes:
        id: The request's ID, a pseudonym.
        targets: What was to be forgotten.
        reason: A code.
        received: When it came in.
        released: When the edited model was released; None if it was not.
    """

    id: Token
    targets: Annotated[tuple[Target, ...], Field(min_length=1)]
    reason: Token | None
    received: Moment
    released: Moment | None


class MethodFacts(Record):
    """The method and its settings."""

    name: Name
    settings: dict[str, JsonValue]


class DataFacts(Record):
    """One set of images that was used.

    Attributes:
        role: `forget`, `retain`, `validation`, `test`.
        count: How many images.
        sha256: One digest over all of them.
    """

    role: Token
    count: Count
    sha256: Sha256 | None


class StrangersFacts(Record):
    """Classes that the model never saw, beside which the forgotten ones were held.

    Attributes:
        count: How many such classes.
        images: Images of each that the evidence learnt from, and test images of each.
        sha256: One digest over all their images; None where it was not recorded.
        finding: What standing beside them came to, a code.
        words: The same in words.
    """

    count: Count
    images: tuple[Count, Count]
    sha256: Sha256 | None
    finding: Token
    words: Text


class PolicyFacts(Record):
    """The policy that decided: its name and the digest of its text."""

    name: Name
    sha256: Sha256


class Verdict(Record):
    """The policy's verdict on the scorecard."""

    outcome: Token
    reasons: tuple[Text, ...]


class Times(Record):
    """Times when the edit was begun and when its evidence was complete."""

    started: Moment
    finished: Moment


class Predicate(Record):
    """The statement's content.

    Attributes:
        claim: What this is, and what it is not; always the same words.
        request: What was asked.
        method: How it was done.
        data: Images used, by role.
        scorecard: What was measured, with intervals and anchors, as the evidence floor gives it.
        policy: By which rules it was judged.
        verdict: The judgement.
        software: Names and versions.
        hardware: Names.
        times: When.
        out_of_scope: What this says nothing about; never empty.
        strangers: What strangers the forgotten classes were held beside; None, and no key in the statement, where
            there were none.
        model_files: SHA-256 of the files beside the weights of `model-after` that say what its outputs mean, by name;
            None, and no key in the statement, where they were not recorded.
    """

    claim: Text
    request: RequestFacts
    method: MethodFacts
    data: tuple[DataFacts, ...]
    scorecard: Annotated[dict[str, JsonValue], Field(min_length=1)]
    policy: PolicyFacts
    verdict: Verdict
    software: dict[str, Name]
    hardware: dict[str, Name]
    times: Times
    out_of_scope: Annotated[tuple[Text, ...], Field(min_length=1)]
    strangers: Annotated[StrangersFacts | None, Field(exclude_if=lambda value: value is None)] = None
    model_files: Annotated[dict[str, Sha256] | None, Field(exclude_if=lambda value: value is None)] = None

    @model_validator(mode="after")
    def _claims_no_more(self) -> Self:
        if self.claim != CLAIM:
            raise ValueError("expected the fixed words of this version in claim")
        return self


class Statement(Record):
    """An in-toto Statement v1."""

    type_: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: tuple[Subject, Subject, Subject]
    predicate_type: Literal["https://expunge.dev/attestation/erasure/v1"] = Field(alias="predicateType")
    predicate: Predicate

    @model_validator(mode="after")
    def _subjects_in_order(self) -> Self:
        if [subject.name for subject in self.subject] != ["model-before", "model-after", "edit"]:
            raise ValueError("expected the subjects model-before, model-after and edit in this order")
        return self

    @classmethod
    def about(cls, predicate: Predicate, *, before: str, after: str, edit: str) -> Self:
        """The statement of a predicate about three things, given by their SHA-256 in hexadecimal."""
        subjects = (
            Subject(name="model-before", digest=DigestSet(sha256=before)),
            Subject(name="model-after", digest=DigestSet(sha256=after)),
            Subject(name="edit", digest=DigestSet(sha256=edit)),
        )
        return cls(_type=STATEMENT_TYPE, subject=subjects, predicateType=PREDICATE_TYPE, predicate=predicate)

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Reads the payload of an envelope.

        Raises:
            NewerSchemaError: Its predicate is of a later version.
            MalformedRecordError: It does not follow the schema.
        """
        version = ("predicateType", PREDICATE_TYPE)
        return read_record(cls, payload, limit=MOST_PAYLOAD_BYTES, what="statement", version=version)

    def digest_of(self, name: str) -> str:
        """The digest of `model-before`, `model-after` or `edit`."""
        return next(subject.digest.sha256 for subject in self.subject if subject.name == name)
