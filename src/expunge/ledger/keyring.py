"""Keys and what each may sign: a pure function of the key events in a ledger.

A key is in force for trees that hold its addition and not its end. So nothing that an old key signed loses its
worth when it is replaced, and nothing that is signed with it later gains any.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

from expunge.errors import KeyRingError
from expunge.ledger._canonical import canonical
from expunge.ledger.entries import KeyEvent, KeyId, Signature64, VerifierKey
from expunge.ledger.keys import PublicKey, SigningKey
from expunge.ledger.records import Count, Record
from expunge.ledger.text import from_base64, to_base64


class KeyRecord(Record):
    """One key and its history.

    Attributes:
        key: Its verifier key.
        since: Index of the entry that added it.
        retired: Index of the entry that retired it.
        revoked: Index of the entry that revoked it.
        vouched_by: ID of the key that introduced it.
        voucher: Signature by that key.
    """

    key: VerifierKey
    since: Count
    retired: Count | None
    revoked: Count | None
    vouched_by: KeyId | None
    voucher: Signature64 | None

    @cached_property
    def public(self) -> PublicKey:
        """The key itself."""
        return PublicKey.parse(self.key)

    def in_force(self, size: int) -> bool:
        """Whether this key may sign a tree of `size` entries, or what stands in its last entry."""
        ends = [end for end in (self.retired, self.revoked) if end is not None]
        return self.since < size <= min(ends, default=size)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All keys that a ledger has known, in order of their addition."""

    records: tuple[KeyRecord, ...] = ()

    @property
    def origin(self) -> str:
        """The ledger's name, which all its keys bear."""
        if not self.records:
            raise KeyRingError("This ledger has no key yet.")
        return self.records[0].public.name

    @property
    def publics(self) -> tuple[PublicKey, ...]:
        """All keys."""
        return tuple(record.public for record in self.records)

    @property
    def digest(self) -> bytes:
        """SHA-256 of all records in canonical JSON; what a checkpoint commits to."""
        return hashlib.sha256(canonical([record.model_dump(mode="json") for record in self.records])).digest()

    def find(self, key_id: str) -> KeyRecord:
        """The record of a key.

        Raises:
            KeyRingError: No key has this ID.
        """
        for record in self.records:
            if record.key.startswith(f"{key_id}+"):
                return record
        raise KeyRingError(f"This ledger has no key {key_id}.")

    def after(self, index: int, event: KeyEvent) -> Self:
        """The ring after the key event in entry `index`.

        Raises:
            KeyRingError: The event cannot follow on what happened before.
        """
        key = PublicKey.parse(event.key)
        known = any(record.key == event.key for record in self.records)
        if known != (event.event != "added"):
            raise KeyRingError(
                f"The key {key.id} cannot be {event.event}: it is {'' if known else 'not '}there already."
            )
        if event.event == "added":
            return self._with(index, event, key)
        record = self.find(key.id)
        if record.revoked is not None or (event.event == "retired" and record.retired is not None):
            raise KeyRingError(f"The key {key.id} has come to its end before.")
        ended = record.model_copy(update={event.event: index})
        return replace(self, records=tuple(ended if old is record else old for old in self.records))

    def _with(self, index: int, event: KeyEvent, key: PublicKey) -> Self:
        if self.records and key.name != self.origin:
            raise KeyRingError(f"All keys of this ledger bear its name, {self.origin}; this one is {key.name}.")
        if key.id in {other.id for other in self.publics}:
            raise KeyRingError(f"Another key has the same ID, {key.id}. Make a new one.")
        if event.vouched_by is not None:
            self.find(event.vouched_by)
        record = KeyRecord(
            key=event.key,
            since=index,
            retired=None,
            revoked=None,
            vouched_by=event.vouched_by,
            voucher=event.voucher,
        )
        return replace(self, records=(*self.records, record))

    def leads_to(self, key: PublicKey, trusted: bytes) -> bool:
        """Whether `key` is the trusted one, or was introduced by it through valid vouchers.

        Args:
            key: A key of this ring.
            trusted: 32 raw bytes of the key that somebody trusts. Vouchers of revoked keys count for nothing.
        """
        record = self.find(key.id)
        while record.public.raw != trusted:
            if record.vouched_by is None or record.voucher is None:
                return False
            voucher = self.find(record.vouched_by)
            if voucher.revoked is not None or voucher.since >= record.since:
                return False
            if not voucher.public.verifies(from_base64(record.voucher), voucher_text(record.public)):
                return False
            record = voucher
        return True


def voucher_text(key: PublicKey) -> bytes:
    """Text that a key signs to introduce its successor."""
    return f"expunge key handover v1\n{key}\n".encode()


def introduce(key: PublicKey, by: SigningKey | None = None) -> KeyEvent:
    """The event that adds a key, vouched for by another one if given."""
    if by is None:
        return KeyEvent(event="added", key=str(key))
    voucher = to_base64(by.sign(voucher_text(key)))
    return KeyEvent(event="added", key=str(key), vouched_by=by.public.id, voucher=voucher)
