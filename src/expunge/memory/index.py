"""The file `memory.json` of a memory on disk, format expunge/memory/v1: which statistics there are, and of what."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from expunge.errors import DamagedMemoryError, MemoryNotFoundError

FILE = "memory.json"
SCHEMA = "expunge/memory/v1"

Count = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)


class Entry(_Part):
    """The statistics of one class.

    Attributes:
        index: Index of the class.
        count: Images that they were taken of.
        directions: Principal directions that are kept.
        size: Size of the file in bytes; the key is `bytes`.
        sha256: Its digest.
    """

    index: Count
    count: Annotated[int, Field(ge=1)]
    directions: Count
    size: Annotated[Count, Field(alias="bytes")]
    sha256: Sha256

    @property
    def file(self) -> str:
        """Name of the file; that of a class could be anything."""
        return f"{self.index:05d}.safetensors"


class Index(_Part):
    """Content of the file.

    Attributes:
        schema_: Name and version of the format; the key is `schema`.
        entry: Index of the block that the hidden states enter.
        model: Digest of the model.
        classes: Names of the model's classes, in the order of the logits.
        rank: Most directions that are kept of a class.
        size: Size of all files of statistics in bytes; the key is `bytes`.
        statistics: The classes that are known, by ascending index.
    """

    schema_: Annotated[Literal["expunge/memory/v1"], Field(alias="schema")] = SCHEMA
    entry: Count
    model: Sha256
    classes: Annotated[tuple[str, ...], Field(strict=False)]
    rank: Count
    size: Annotated[Count, Field(alias="bytes")]
    statistics: Annotated[tuple[Entry, ...], Field(strict=False)]

    @classmethod
    def of(cls, entry: int, model: str, classes: tuple[str, ...], statistics: tuple[Entry, ...]) -> Self:
        """The index of these statistics; what it says of all of them follows from each."""
        every = tuple(sorted(statistics, key=lambda one: one.index))
        rank, size = max((one.directions for one in every), default=0), sum(one.size for one in every)
        return cls(entry=entry, model=model, classes=classes, rank=rank, size=size, statistics=every)

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        indices = [one.index for one in self.statistics]
        if indices != sorted(set(indices)) or (indices and indices[-1] >= len(self.classes)):
            raise ValueError("the indices of classes are not ascending, or are more than there are classes")
        if self.size != sum(one.size for one in self.statistics):
            raise ValueError("the sizes of the files do not add up")
        return self

    def named(self, names: Collection[str]) -> tuple[Entry, ...]:
        """The statistics of those of these classes that are known."""
        return tuple(one for one in self.statistics if self.classes[one.index] in names)

    def without(self, names: Collection[str]) -> "Index":
        """The index as it would be had these classes never been seen."""
        kept = tuple(one for one in self.statistics if self.classes[one.index] not in names)
        return Index.of(self.entry, self.model, self.classes, kept)

    def to_json(self) -> bytes:
        """The text of the file: two-space indent, one trailing newline; equal memories give equal bytes."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), indent=2, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def read(cls, folder: Path) -> "Index":
        """Reads the file of a memory.

        Raises:
            MemoryNotFoundError: The folder holds none.
            DamagedMemoryError: It cannot be read, or does not follow its schema.
        """
        path = folder / FILE
        try:
            values = json.loads(path.read_bytes())
            if isinstance(values, dict) and values.get("schema") != SCHEMA:
                raise DamagedMemoryError(f"{path}: expected schema {SCHEMA!r}, found {values.get('schema')!r:.80}")
            return cls.model_validate(values)
        except FileNotFoundError as error:
            raise MemoryNotFoundError(
                f"{folder} is no memory: it has no {FILE}. Make one: expunge calibrate MODEL --data DIR --out {folder}"
            ) from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise DamagedMemoryError(f"{path} is damaged: {where or 'it'}: {first['msg']}") from error
        except (OSError, ValueError, RecursionError) as error:
            if isinstance(error, DamagedMemoryError):
                raise
            raise DamagedMemoryError(f"{path} cannot be read: {error}") from error
