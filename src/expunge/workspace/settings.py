"""The file `workspace.json`, format expunge/workspace/v1: what a workspace was made for. It is written last."""

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from expunge.errors import (
    DamagedWorkspaceError,
    LedgerError,
    NewerSchemaError,
    NewerWorkspaceError,
    WorkspaceNotFoundError,
)
from expunge.ledger import Moment, Record, Sha256, read_record

FILE = "workspace.json"
SCHEMA = "expunge/workspace/v1"
_MOST_BYTES = 64 << 20


class Original(Record):
    """The model that requests are about.

    Attributes:
        source: A directory, a hub id or `zoo:NAME`.
        sha256: Its digest, if it was loaded when the workspace was made.
        classes: Its classes, if it was. A request can then only name one of them.
        task: What the model does, such as "detection"; None, and no key in the file, for a classifier.
        files: SHA-256 of the files beside the weights that say what its outputs mean, by name; None, and no key in the
            file, where they were not recorded.
    """

    source: str
    sha256: Sha256 | None = None
    classes: tuple[str, ...] = ()
    task: Annotated[str | None, Field(exclude_if=lambda value: value is None)] = None
    files: Annotated[dict[str, Sha256] | None, Field(exclude_if=lambda value: value is None)] = None


class Settings(Record):
    """Content of the file.

    Attributes:
        schema_: Name and version of the format; the key is `schema`.
        created: When the workspace was made.
        origin: Name of its ledger.
        model: The original model.
        memory: Where statistics of its classes are kept; None if nowhere.
        policy: Digest of the policy's text, an artefact.
        four_eyes: Whether the policy demands two persons for a release.
    """

    schema_: Annotated[Literal["expunge/workspace/v1"], Field(alias="schema")] = SCHEMA
    created: Moment
    origin: str
    model: Original
    memory: str | None
    policy: Sha256
    four_eyes: bool

    def to_json(self) -> bytes:
        """The text of the file: two-space indent, one trailing newline."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), indent=2, ensure_ascii=False).encode() + b"\n"

    def facts(self) -> str:
        """Facts that must never change, spelled out for a keyed digest; where model and memory lie may change."""
        return json.dumps(
            self.model_dump(mode="json", exclude={"memory": True, "model": {"source"}}),
            sort_keys=True,
            ensure_ascii=False,
        )

    @classmethod
    def read(cls, folder: Path) -> "Settings":
        """Reads the file of a workspace.

        Raises:
            WorkspaceNotFoundError: The folder holds none.
            NewerWorkspaceError: A later version wrote it.
            DamagedWorkspaceError: It does not follow its schema.
        """
        path = folder / FILE
        try:
            return read_record(
                cls, path.read_bytes(), limit=_MOST_BYTES, what="workspace.json", version=("schema", SCHEMA)
            )
        except FileNotFoundError as error:
            raise WorkspaceNotFoundError(
                f"{folder} is no workspace: it has no {FILE}. Make one: expunge init"
            ) from error
        except NewerSchemaError as error:
            raise NewerWorkspaceError(f"{path} cannot be used. {error}") from error
        except (OSError, LedgerError) as error:
            raise DamagedWorkspaceError(f"{path} cannot be read. {error} Restore it from a copy.") from error


def find_workspace(start: Path) -> Path:
    """The first folder from `start` upward that is a workspace.

    Raises:
        WorkspaceNotFoundError: None is.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / FILE).is_file():
            return folder
    raise WorkspaceNotFoundError(f"Neither {start} nor a folder above it is a workspace. Name one: --workspace DIR")
