"""The file `release.json`, format expunge/release/v1: what a release is, and what its files must be."""

import json
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, StringConstraints, ValidationError

from expunge.errors import LedgerError, NewerSchemaError, ReleaseDamagedError, ReleaseError, ReleaseNotFoundError
from expunge.ledger import Moment, Record, Sha256, first_problem, read_record

FILE, SCHEMA = "release.json", "expunge/release/v1"
POINTER_SCHEMA = "expunge/current-release/v1"
MOST_BYTES = 4 << 20

R = TypeVar("R", bound=Record)
Number = Annotated[int, Field(ge=1, lt=10**9)]


class OnnxFacts(Record):
    """Check of the ONNX file of a release.

    Attributes:
        opset: Version of the operator set.
        images: How many images torch and ONNX Runtime were both asked about.
        largest_difference: Largest absolute difference between their logits.
    """

    opset: int
    images: Annotated[int, Field(ge=1)]
    largest_difference: Annotated[float, Field(ge=0)]


class ReleaseRecord(Record):
    """One release.

    Attributes:
        schema_: Name and version of the format; the key is `schema`.
        number: Counts from 1; no number is ever given twice.
        time: When it was published, as the caller said.
        previous: Number of the release that was served until then; None for the first.
        weights_before: Digest of the weights before all edits; see `VisionModel.digest`.
        weights_after: Digest of the weights in this release.
        edits: Digests of the edits that made the one from the other, oldest first; see `edit_digest`.
        note: What the caller wrote; nothing personal belongs here.
        onnx: How `model/onnx/model.onnx` was checked; None where there is none.
        files: SHA-256 of every file below `model/`, by its path with forward slashes.
        task: What the model does, such as "detection"; the key is absent for a classifier.
    """

    schema_: Annotated[Literal["expunge/release/v1"], Field(alias="schema")] = SCHEMA
    number: Number
    time: Moment
    previous: Number | None
    weights_before: Sha256
    weights_after: Sha256
    edits: tuple[Sha256, ...]
    note: Annotated[str, StringConstraints(max_length=500)] = ""
    onnx: OnnxFacts | None = None
    files: dict[str, Sha256] = Field(default_factory=dict)
    task: Annotated[str | None, Field(exclude_if=lambda value: value is None)] = None

    def to_json(self) -> str:
        """The text of `release.json`: two-space indent, one trailing newline."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), indent=2, ensure_ascii=False) + "\n"

    def same_as(self, other: "ReleaseRecord") -> bool:
        """Whether both publish the same, so that one of them is the other cut off by a crash."""
        apart = {"number", "previous", "files", "onnx"}
        return self.model_dump(exclude=apart) == other.model_dump(exclude=apart)


class Pointer(Record):
    """The file `current`: the release that may be served."""

    schema_: Annotated[Literal["expunge/current-release/v1"], Field(alias="schema")] = POINTER_SCHEMA
    number: Number


def make_record(**values: object) -> ReleaseRecord:
    """A record from what a caller said.

    Raises:
        ReleaseError: A value is not what the format takes.
    """
    try:
        return ReleaseRecord.model_validate(values)
    except ValidationError as error:
        raise ReleaseError(f"A release cannot be described like this: {first_problem(error)}.") from error


def read_release(path: Path) -> ReleaseRecord:
    """Reads a `release.json`.

    Raises:
        ReleaseNotFoundError: There is none.
        ReleaseDamagedError: It is damaged, or belongs to another number than its folder says.
        ReleaseError: A later version wrote it.
    """
    record = _read(ReleaseRecord, path, "release record", SCHEMA)
    if path.parent.name != folder_name(record.number):
        raise ReleaseDamagedError(f"{path} says that it is release {record.number}; it was moved or copied here.")
    return record


def read_pointer(path: Path) -> int:
    """The number of the current release.

    Raises:
        ReleaseNotFoundError: Nothing was released yet.
        ReleaseDamagedError: The file is damaged; going back to a release by its number writes it again.
        ReleaseError: A later version wrote it.
    """
    return _read(Pointer, path, "pointer to the current release", POINTER_SCHEMA).number


def folder_name(number: int) -> str:
    """Name of the folder of a release: 0001."""
    return f"{number:04d}"


def _read(kind: type[R], path: Path, what: str, schema: str) -> R:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise ReleaseNotFoundError(f"There is no {what} at {path}.") from error
    except OSError as error:
        raise ReleaseDamagedError(f"{path} cannot be read: {error.strerror or error}.") from error
    try:
        return read_record(kind, data, limit=MOST_BYTES, what=what, version=("schema", schema))
    except NewerSchemaError as error:
        raise ReleaseError(str(error)) from error
    except LedgerError as error:
        raise ReleaseDamagedError(f"{path} is damaged: {error}") from error
