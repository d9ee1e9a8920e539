"""Checkpoints (C2SP tlog-checkpoint): the size and root of a ledger, as the text of a signed note."""

from dataclasses import dataclass
from typing import Self

from expunge.errors import NoteError
from expunge.ledger._merkle import HASH_BYTES
from expunge.ledger._note import Note, parse_note
from expunge.ledger.text import from_base64, to_base64

_KEYS = "keys "


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Summary of a ledger, in three numbers.

    Attributes:
        origin: Name of the ledger.
        size: Number of entries.
        root: Root of the tree over them, 32 bytes.
        keys: Digest of the ledger's key ring after these entries, 32 bytes. It stands on an extension line, so
            that a certificate can carry the ring without the whole ledger and nobody can leave a key out.
    """

    origin: str
    size: int
    root: bytes
    keys: bytes

    def __str__(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{to_base64(self.root)}\n{_KEYS}{to_base64(self.keys)}\n"

    @classmethod
    def of(cls, note: Note) -> Self:
        """The checkpoint that a note carries.

        Raises:
            NoteError: The note carries something else.
        """
        try:
            origin, size, root, keys, end = note.text.split("\n")
            found = cls(origin, _size(size), from_base64(root), from_base64(keys.removeprefix(_KEYS)))
        except ValueError as error:
            raise NoteError("This note is no checkpoint of an expunge ledger.") from error
        if str(found) != note.text or end or not origin or {len(found.root), len(found.keys)} != {HASH_BYTES}:
            raise NoteError("This note is no checkpoint of an expunge ledger.")
        return found


def parse_checkpoint(text: str) -> tuple[Checkpoint, Note]:
    """A checkpoint and the note that carries it. No signature is verified yet.

    Raises:
        NoteError: It is malformed.
    """
    note = parse_note(text)
    return Checkpoint.of(note), note


def _size(digits: str) -> int:
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 15):
        raise ValueError("expected a size in decimal")
    return int(digits)
