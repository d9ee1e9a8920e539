"""Ed25519 keys: made on the spot or brought along, kept in a file that only its owner can read."""

import hashlib
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from expunge.durable import write_file
from expunge.errors import KeyFileError, OutputError
from expunge.ledger.text import from_base64, to_base64

_ED25519 = b"\x01"
_MOST_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half of a signing key, and the name of the ledger that it signs.

    Attributes:
        name: Like `example.org/erasures`: 1 to 128 printable ASCII characters, no space, no `+`.
        raw: The key, 32 bytes.
    """

    name: str
    raw: bytes

    def __post_init__(self) -> None:
        """Refuses what could not be written on a line of a note."""
        printable = all("!" <= letter <= "~" and letter != "+" for letter in self.name)
        if not (printable and 1 <= len(self.name) <= 128):
            raise KeyFileError(
                "A key's name is 1 to 128 ASCII characters without spaces and `+`: example.org/erasures."
            )
        if len(self.raw) != 32:
            raise KeyFileError(f"An Ed25519 public key has 32 bytes, this one has {len(self.raw)}.")

    @property
    def hash(self) -> bytes:
        """The key's ID in a note, 4 bytes (C2SP signed-note)."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.raw).digest()[:4]

    @property
    def id(self) -> str:
        """Name and ID in hexadecimal: `example.org/erasures+c74f20a3`."""
        return f"{self.name}+{self.hash.hex()}"

    def __str__(self) -> str:
        """The verifier key of C2SP signed-note: name, ID and key joined by `+`."""
        return f"{self.id}+{to_base64(_ED25519 + self.raw)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads a verifier key.

        Raises:
            KeyFileError: It is malformed, of another algorithm, or its ID is not the ID of its key.
        """
        name, _, rest = text.partition("+")
        _, _, encoded = rest.partition("+")
        try:
            data = from_base64(encoded)
        except ValueError as error:
            raise KeyFileError("Expected a verifier key, NAME+ID+KEY; its last part is not base64.") from error
        if data[:1] != _ED25519:
            raise KeyFileError("Expected a verifier key, NAME+ID+KEY, of an Ed25519 key; this is something else.")
        key = cls(name, data[1:])
        if str(key) != text:
            raise KeyFileError(f"The ID of this verifier key does not belong to it; expected {key.id}.")
        return key

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether the private half of this key signed `message`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def pem(self) -> str:
        """The key without its name, as PEM (SubjectPublicKeyInfo)."""
        key = Ed25519PublicKey.from_public_bytes(self.raw)
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def read_public(text: str) -> bytes:
    """The raw 32 bytes of a public key that is written as a verifier key or as PEM.

    Raises:
        KeyFileError: It is neither, or the PEM holds another kind of key. A private key is refused, too.
    """
    text = text.strip()
    if not text.startswith("-----"):
        return PublicKey.parse(text).raw
    if "PRIVATE KEY" in text:
        raise KeyFileError("This is a private key. Expected a public one; keep this one to yourself.")
    try:
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError("This PEM text does not hold a public key that can be read.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFileError("Expected an Ed25519 public key; this is of another kind.")
    return key.public_bytes_raw()


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key. It never shows itself: neither its `repr` nor any message holds it."""

    name: str
    _private: Ed25519PrivateKey = field(repr=False, compare=False)

    @classmethod
    def generate(cls, name: str) -> Self:
        """A new key from the operating system's random numbers."""
        return cls(name, Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, name: str, seed: bytes) -> Self:
        """The key of a 32-byte seed (RFC 8032); for keys that are kept elsewhere, and for tests."""
        if len(seed) != 32:
            raise KeyFileError(f"An Ed25519 seed has 32 bytes, this one has {len(seed)}.")
        return cls(name, Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return PublicKey(self.name, self._private.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature, 64 bytes; the same for the same message."""
        return self._private.sign(message)

    def save(self, path: Path) -> None:
        """Writes the key as PKCS #8 PEM with mode 0600: whole or not at all, and never over another file.

        Raises:
            OutputError: The file exists already, or cannot be written.
        """
        pem = self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            write_file(draft, pem, mode=0o600, new=True)
            os.link(draft, path)  # unlike a rename, it never replaces a key that is already there
        except FileExistsError as error:
            raise OutputError(f"{path} exists already. A key is never overwritten: choose another place.") from error
        except OSError as error:
            raise OutputError(f"The key cannot be written to {path}: {error.strerror}.") from error
        finally:
            draft.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path, name: str) -> Self:
        """Reads a key that `save` wrote or that was brought along: unencrypted PKCS #8 PEM.

        Raises:
            KeyFileError: The file is missing, readable by others, or holds no Ed25519 private key.
        """
        try:
            with path.open("rb") as file:
                mode, pem = os.fstat(file.fileno()).st_mode & 0o777, file.read(_MOST_BYTES + 1)
        except OSError as error:
            raise KeyFileError(f"The key {path} cannot be read: {error.strerror}.") from error
        if os.name == "posix" and mode & 0o077:
            raise KeyFileError(f"The key {path} is open to others (mode {mode:04o}). Run: chmod 600 {path}")
        try:
            key = load_pem_private_key(pem[:_MOST_BYTES], password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeyFileError(f"{path} holds no private key as unencrypted PKCS #8 PEM.") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyFileError(f"{path} holds another kind of private key; expected Ed25519.")
        return cls(name, key)
