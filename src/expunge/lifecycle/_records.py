"""Records that a runner keeps as artefacts: attempts and judgements. A restart finds and believes them."""

from typing import Annotated, Literal, TypeVar

from pydantic import Field, JsonValue

from expunge.errors import DamagedWorkspaceError, LedgerError
from expunge.ledger import Count, DataFacts, Moment, Record, Sha256, StrangersFacts, read_record
from expunge.workspace import ArtefactRecord, State, Workspace

ATTEMPT, JUDGED, INTENT = "expunge/attempt/v1", "expunge/judged/v1", "expunge/release-intent/v1"
_MOST_BYTES = 4 << 20


class Attempt(Record):
    """An edit that was made, and how.

    Attributes:
        schema_: Name and version of the format; the key is `schema`.
        requests: IDs of the requests that it carries out.
        targets: Classes of all of them.
        step: Which rung of the ladder of settings, from 0.
        method: Name of the method.
        settings: All its settings.
        seed: Seed of the method and the splits.
        data: Where retained images and test images were read from.
        base: Digests of the edits that were on the model, oldest first; see `edit_digest`.
        edit: The edit's folder in the store.
        edit_sha256: The edit's own digest.
        images: What the method and the evidence were given, by role.
        started: When it was begun.
        seconds: How long the method took.
    """

    schema_: Annotated[Literal["expunge/attempt/v1"], Field(alias="schema")] = ATTEMPT
    requests: tuple[str, ...]
    targets: tuple[str, ...]
    step: Count
    method: str
    settings: dict[str, JsonValue]
    seed: Count
    data: str
    base: tuple[Sha256, ...]
    edit: Sha256
    edit_sha256: Sha256
    images: tuple[DataFacts, ...]
    started: Moment
    seconds: Annotated[float, Field(ge=0)]


class Judgement(Record):
    """Measurements of a model with an attempt's edit in it, and the policy's verdict.

    Attributes:
        schema_: Name and version of the format; the key is `schema`.
        attempt: Digest of the attempt.
        base: Digests of the other edits in the measured model.
        model: Digest of the measured model's weights.
        scorecard: The scorecard in the store.
        outcome: The verdict.
        reasons: What each rule came to.
        finished: When it was there.
        seconds: How long measuring took.
        strangers: What strangers the forgotten classes were held beside; the key is absent where there were none.
        advice: What would help where the policy says no; the key is absent where there is nothing to say.
    """

    schema_: Annotated[Literal["expunge/judged/v1"], Field(alias="schema")] = JUDGED
    attempt: Sha256
    base: tuple[Sha256, ...]
    model: Sha256
    scorecard: Sha256
    outcome: str
    reasons: tuple[str, ...]
    finished: Moment
    seconds: Annotated[float, Field(ge=0)]
    strangers: Annotated[StrangersFacts | None, Field(exclude_if=lambda value: value is None)] = None
    advice: Annotated[str, Field(exclude_if=lambda value: not value)] = ""

    @property
    def erased(self) -> bool:
        """Whether the policy lets the edit be offered for release."""
        return self.outcome == "erased"


class Intent(Record):
    """Intent to publish a model, noted first: a repeated publication then has the same time.

    Attributes:
        schema_: Name and version of the format; the key is `schema`.
        model: Digest of its weights.
        edits: Digests of its edits, oldest first.
        time: When the release was begun.
    """

    schema_: Annotated[Literal["expunge/release-intent/v1"], Field(alias="schema")] = INTENT
    model: Sha256
    edits: tuple[Sha256, ...]
    time: Moment


R = TypeVar("R", Attempt, Judgement, Intent)
_ROLES: dict[type[Record], tuple[str, str]] = {
    Attempt: ("attempt", ATTEMPT),
    Judgement: ("judged", JUDGED),
    Intent: ("release-intent", INTENT),
}


def role_of(kind: type[Record]) -> str:
    """Under which role the ledger knows such a record."""
    return _ROLES[kind][0]


def recorded(workspace: Workspace, request: str, kind: type[R]) -> list[tuple[ArtefactRecord, R]]:
    """Records of one kind, newest first, since the request was last accepted: what came before was given up.

    Raises:
        DamagedWorkspaceError: One is missing or damaged.
    """
    since = max((move.seq for move in workspace.moves(request) if move.after == State.ACCEPTED), default=-1)
    role, schema = _ROLES[kind]
    found = [row for row in workspace.artefact_records(request) if row.role == role and row.seq > since]
    return [(row, _read(workspace, row.sha256, kind, schema)) for row in reversed(found)]


def newest(workspace: Workspace, request: str, kind: type[R]) -> tuple[ArtefactRecord, R] | None:
    """The newest record of one kind."""
    return next(iter(recorded(workspace, request, kind)), None)


def _read(workspace: Workspace, sha256: str, kind: type[R], schema: str) -> R:
    data = workspace.artefacts.read(sha256)
    try:
        return read_record(kind, data, limit=_MOST_BYTES, what=role_of(kind), version=("schema", schema))
    except LedgerError as error:
        raise DamagedWorkspaceError(f"The artefact {sha256} cannot be read. {error}") from error
