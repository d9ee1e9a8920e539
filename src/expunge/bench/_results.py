"""Result of one benchmark cell on disk, format expunge/bench-cell/v1.

A cell is one method on one suite in one setting with one seed, over the whole sequence of requests. The anchors
(`original`, `oracle-scratch`, `oracle-finetune`) are cells like any other.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from expunge.errors import CorruptRunError
from expunge.evidence import Reading, Task
from expunge.values import CLASSIFICATION

SCHEMA = "expunge/bench-cell/v1"

ORIGINAL, SCRATCH, FINETUNE = "original", "oracle-scratch", "oracle-finetune"
ANCHORS = (ORIGINAL, "head-mask", SCRATCH, FINETUNE)
"""Rows that every table of classifiers carries, in this order."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Value(_Record):
    """One reading as stored; see `expunge.evidence.Reading`."""

    value: float
    unit: str
    n: int
    low: float | None = None
    high: float | None = None
    aim: Literal["oracle", "high", "low", "context"] = "oracle"

    @classmethod
    def of(cls, reading: Reading) -> Self:
        """The stored form of a reading."""
        return cls(
            value=reading.value, unit=reading.unit, n=reading.n, low=reading.low, high=reading.high, aim=reading.aim
        )


class RequestResult(_Record):
    """The state after one request.

    Attributes:
        number: Position in the sequence, from 1.
        classes: Names of the classes of this request.
        seconds: Wall-clock time of the forgetting alone: neither measures nor what the method prepares before the first
            request are counted.
        peak_mb: Greatest memory during the forgetting, above what was held before, in MB: of the device where it is a
            GPU, of the process elsewhere. It means nothing in a cell without `base`, where memory that earlier cells
            had freed was not given back first.
        images: Training images the method was given (forget, retain).
        parameters: Numbers stored in the edit.
        bytes: Bytes of the edit.
        readings: Row key -> value.
        skipped: Measure -> why it was not taken.
    """

    number: Annotated[int, Field(ge=1)]
    classes: tuple[str, ...]
    seconds: float
    peak_mb: float
    images: tuple[int, int]
    parameters: int
    bytes: int
    readings: Mapping[str, Value]
    skipped: Mapping[str, str] = {}


class Machine(_Record):
    """The machine a cell ran on."""

    processor: str
    cores: int
    threads: int
    memory_gb: float
    device: str
    versions: Mapping[str, str]


class Cell(_Record):
    """One finished cell.

    Attributes:
        suite: Name of the suite.
        setting: Name of its setting.
        method: Name of the method or anchor.
        settings: The method's settings, as far as they differ from its defaults.
        seed: Seed of the cell.
        key: SHA-256 of everything that decides the result; a cell with another key is run again.
        commit: Commit of the repository, or "".
        machine: Where it ran.
        requests: One a request.
        task: Name of the task of its models, by which its rates are read; not written for classifiers, which all were
            at first.
        base: Digest of the weights of the model before any request; "" and not written where it is not known.
        oracles: Request -> digest of the weights of the oracle-scratch that its readings were compared with; not
            written where none is known.
    """

    schema_: Annotated[Literal["expunge/bench-cell/v1"], Field(alias="schema")] = SCHEMA
    suite: str
    setting: str
    method: str
    settings: Mapping[str, object] = {}
    seed: int
    key: str
    commit: str = ""
    machine: Machine
    requests: Annotated[tuple[RequestResult, ...], Field(min_length=1)]
    task: Task = CLASSIFICATION
    base: str = ""
    oracles: Mapping[int, str] = {}

    def to_json(self) -> str:
        """The text of the cell's file."""
        unsaid = {name for name in ("base", "oracles") if not getattr(self, name)}
        unsaid |= {"task"} if self.task == CLASSIFICATION else set()
        return self.model_dump_json(indent=1, by_alias=True, exclude=unsaid) + "\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads the text of a cell's file.

        Raises:
            CorruptRunError: It does not follow the schema.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            found = error.errors(include_url=False)
            foreign = [one for one in found if one["type"] == "extra_forbidden" or one["loc"] == ("schema",)]
            first = (foreign or found)[0]
            where = ".".join(str(part) for part in first["loc"])
            do = (
                "It was written by another version of expunge: use that one"
                if foreign
                else "Delete the file and run again"
            )
            if first["loc"] == ("task",):
                do = "Install the package that brings the task"
            raise CorruptRunError(f"not a cell of {SCHEMA}: {where}: {first['msg']}. {do}.") from error
