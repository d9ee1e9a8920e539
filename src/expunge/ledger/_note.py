"""Signed notes (C2SP signed-note): a text that people can read, with signatures on lines below it."""

from collections.abc import Sequence
from dataclasses import dataclass

from expunge.errors import NoteError
from expunge.ledger.keys import PublicKey, SigningKey
from expunge.ledger.text import from_base64, to_base64

_DASH = "\u2014 "
_MOST_BYTES = 65_536
_MOST_SIGNATURES = 100


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line.

    Attributes:
        name: Name of the key.
        hash: ID of the key, 4 bytes.
        raw: The signature.
    """

    name: str
    hash: bytes
    raw: bytes

    def is_by(self, key: PublicKey) -> bool:
        """Whether it claims to be made by this key; says nothing of whether it is."""
        return (self.name, self.hash) == (key.name, key.hash)


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note. Nothing is verified yet.

    Attributes:
        text: What is signed, with its last newline.
        signatures: At least one, in the order of the lines.
    """

    text: str
    signatures: tuple[Signature, ...]

    def signers(self, keys: Sequence[PublicKey]) -> tuple[PublicKey, ...]:
        """Those of `keys` that signed this note; signatures by other keys are ignored, as the format asks.

        Raises:
            NoteError: A signature that claims to be by one of `keys` is not.
        """
        found = [(key, signature) for signature in self.signatures for key in keys if signature.is_by(key)]
        for key, signature in found:
            if not key.verifies(signature.raw, self.text.encode()):
                raise NoteError(f"The signature by {key.id} does not belong to this text.")
        return tuple(dict.fromkeys(key for key, _ in found))


def sign_note(text: str, *signers: SigningKey) -> str:
    """Signs a text.

    Raises:
        NoteError: The text does not end with a newline, or holds a control character.
    """
    _require_text(text)
    lines = [
        f"{_DASH}{signer.name} {to_base64(signer.public.hash + signer.sign(text.encode()))}\n" for signer in signers
    ]
    return f"{text}\n{''.join(lines)}"


def parse_note(text: str) -> Note:
    """Takes a signed note apart.

    Raises:
        NoteError: It is too large, holds a control character, or a signature line is malformed or missing.
    """
    if len(text) > _MOST_BYTES:
        raise NoteError(f"A note has at most {_MOST_BYTES:,} characters, this one has {len(text):,}.")
    body, blank, lines = text.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise NoteError("A note ends with a blank line, then one line for each signature.")
    _require_text(body + "\n")
    signatures = tuple(_signature(line) for line in lines[:-1].split("\n"))
    if len(signatures) > _MOST_SIGNATURES:
        raise NoteError(f"A note has at most {_MOST_SIGNATURES} signatures, this one has {len(signatures)}.")
    return Note(body + "\n", signatures)


def _require_text(text: str) -> None:
    if not text.endswith("\n") or any(letter < " " and letter != "\n" for letter in text):
        raise NoteError("The text of a note ends with a newline and holds no other control character.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise NoteError("The text of a note is valid Unicode.") from error


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    try:
        data = from_base64(encoded)
    except ValueError:
        data = b""
    if not line.startswith(_DASH) or not name or "+" in name or any(map(str.isspace, name)) or len(data) < 5:
        raise NoteError("A signature line of a note reads: em dash, space, name, space, base64.")
    return Signature(name, data[:4], data[4:])
