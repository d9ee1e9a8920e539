"""Keyed digests (HMAC-SHA256) that stand for what must not be written down: subjects, names, reasons."""

import hashlib
import hmac
import secrets
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from expunge.errors import DamagedWorkspaceError
from expunge.workspace.disk import write_whole

_BYTES = 32


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Makes pseudonyms under one workspace's secret. Whoever lacks it cannot try out names."""

    _secret: bytes = field(repr=False)

    @classmethod
    def create(cls, path: Path) -> Self:
        """A new secret, kept in a file with mode 0600."""
        secret = secrets.token_bytes(_BYTES)
        write_whole(path, [secret.hex().encode() + b"\n"])
        return cls(secret)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads the secret.

        Raises:
            DamagedWorkspaceError: It is missing or damaged. Pseudonyms made with another one would never match.
        """
        try:
            secret = bytes.fromhex(path.read_text("ascii"))
        except (OSError, ValueError) as error:
            raise DamagedWorkspaceError(f"{path} cannot be read. Restore it from a copy.") from error
        if len(secret) != _BYTES:
            raise DamagedWorkspaceError(f"{path} holds no secret of {_BYTES} bytes. Restore it from a copy.")
        return cls(secret)

    def of(self, kind: Literal["actor", "reason", "request", "settings", "subject", "token"], text: str) -> str:
        """64 hexadecimal digits; the same for the same text of the same kind, and for no other."""
        spelled = unicodedata.normalize("NFC", text.strip()).encode("utf-8", "surrogatepass")
        return hmac.new(self._secret, kind.encode() + b"\0" + spelled, hashlib.sha256).hexdigest()

    def actor(self, role: str, name: str) -> str:
        """Pseudonym of an actor in the ledger; the same whatever the case of the name."""
        return f"{role}-{self.of('actor', name.casefold())[:16]}"
