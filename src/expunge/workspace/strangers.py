"""Record that a workspace keeps of strangers, classes that its model never saw: it lies beside the numbers."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from expunge.errors import DamagedWorkspaceError, LedgerError
from expunge.ledger import Count, Record, Sha256, read_record
from expunge.workspace._reading import WorkspaceReader

STRANGERS = "strangers"
"""Under which the ledger knows their digest."""
SCHEMA = "expunge/strangers/v1"
FILE, STATES = "strangers.json", "states.safetensors"
_MOST_BYTES = 16 << 20


class KeptStrangers(Record):
    """The file `strangers.json` of what is kept.

    Attributes:
        schema_: Name and version of the format; the key is `schema`.
        model: Digest of the original model.
        entry: Index of the block whose inputs are kept in place of pictures; None where a path is kept.
        source: Where the pictures are read from each time; None where hidden states are kept.
        classes: Names of the strangers that have images of both kinds.
        images: How many images, or objects, an attacker may learn from, and how many test images.
        sha256: One digest over all of them.
    """

    schema_: Annotated[Literal["expunge/strangers/v1"], Field(alias="schema")] = SCHEMA
    model: Sha256
    entry: Count | None
    source: str | None
    classes: tuple[str, ...]
    images: tuple[Count, Count]
    sha256: Sha256

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.entry is None) == (self.source is None):
            raise ValueError("expected either an entry or a source")
        return self


def kept_strangers(workspace: WorkspaceReader) -> tuple[str, KeptStrangers] | None:
    """Record that was kept last, and the digest of its folder in the store; None where nobody brought any.

    Raises:
        DamagedWorkspaceError: It is missing or damaged.
    """
    rows = [row for row in workspace.artefact_records(None) if row.role == STRANGERS]
    if not rows:
        return None
    data = workspace.artefacts.read_in(rows[-1].sha256, FILE)
    try:
        return rows[-1].sha256, read_record(
            KeptStrangers, data, limit=_MOST_BYTES, what=FILE, version=("schema", SCHEMA)
        )
    except LedgerError as error:
        raise DamagedWorkspaceError(f"The workspace's strangers cannot be read. {error}") from error
