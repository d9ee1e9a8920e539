"""The append-only log: every entry becomes a leaf, and every append ends with a signed checkpoint."""

from dataclasses import dataclass, field
from typing import Self

from expunge.errors import KeyRingError, LedgerDamagedError, LedgerError
from expunge.ledger._merkle import Frontier, consistency_proof, inclusion_proof, leaf_hash
from expunge.ledger._note import sign_note
from expunge.ledger.checkpoint import Checkpoint, parse_checkpoint
from expunge.ledger.entries import Entry, Facts, KeyEvent
from expunge.ledger.keyring import KeyRing, introduce
from expunge.ledger.keys import SigningKey
from expunge.ledger.storage import Storage


@dataclass(frozen=True, slots=True)
class Replay:
    """State that follows from the first entries of a ledger.

    Attributes:
        frontier: The tree over them.
        ring: The keys after them.
    """

    frontier: Frontier = field(default_factory=Frontier)
    ring: KeyRing = field(default_factory=KeyRing)

    def after(self, line: bytes) -> Self:
        """The state after one more entry, given by its bytes.

        Raises:
            LedgerError: The entry is malformed, out of its place, or a key event that cannot be.
        """
        entry, ring = Entry.parse(line), self.ring
        if entry.seq != self.frontier.size:
            raise LedgerDamagedError(f"Expected entry {self.frontier.size}, found entry {entry.seq}.")
        if isinstance(entry.facts, KeyEvent):
            ring = ring.after(entry.seq, entry.facts)
        return type(self)(self.frontier.add(leaf_hash(line)), ring)

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint that belongs to this state.

        Raises:
            KeyRingError: The first entry adds no key, so nobody could sign.
        """
        return Checkpoint(self.ring.origin, self.frontier.size, self.frontier.root, self.ring.digest)


@dataclass(frozen=True, slots=True)
class Proof:
    """An entry and what shows that a signed checkpoint covers it.

    Attributes:
        entry: The entry's bytes.
        path: Hashes from the leaf to the root.
        checkpoint: The signed checkpoint.
    """

    entry: bytes
    path: tuple[bytes, ...]
    checkpoint: str


class Log:
    """A ledger that can be read, and extended with a key in force.

    Args:
        storage: Where it lies.
        signer: The key to sign with; without one the log can only be read.

    Raises:
        LedgerDamagedError: What is stored does not match the last checkpoint. Nothing is ever added to such a
            ledger, as a new signature would cover the damage.
    """

    def __init__(self, storage: Storage, signer: SigningKey | None = None) -> None:
        self._storage, self.signer = storage, signer
        self._leaves: list[bytes] = []
        self._state = Replay()
        self._catch_up()

    @classmethod
    def create(cls, storage: Storage, signer: SigningKey, *, time: str, actor: str) -> Self:
        """Begins a ledger in an empty store: entry 0 adds the key, whose name becomes the ledger's.

        Raises:
            LedgerConflictError: The store is not empty.
        """
        log = cls(storage, signer)
        log.append(introduce(signer.public), time=time, actor=actor)
        return log

    @property
    def size(self) -> int:
        """Number of entries."""
        return self._state.frontier.size

    @property
    def ring(self) -> KeyRing:
        """The keys and their history."""
        return self._state.ring

    def checkpoint(self) -> str:
        """The last signed checkpoint.

        Raises:
            LedgerError: The ledger is empty.
        """
        if not self.size:
            raise LedgerError("This ledger is empty, so nothing was signed yet.")
        return self._storage.checkpoints(self.size - 1, self.size)[0]

    def entry(self, index: int) -> Entry:
        """One entry.

        Raises:
            LedgerError: There is no such entry.
        """
        return Entry.parse(self._line(index))

    def append(self, facts: Facts, *, time: str, actor: str, request: str | None = None) -> int:
        """Adds an entry and signs; returns its index once both are durable.

        Raises:
            MalformedRecordError: A value is not of the form that an entry takes.
            KeyRingError: There is no signer, its key is not in force, or a key event cannot be.
            LedgerConflictError: Another writer came first.
            OutputError: It cannot be written; the ledger is as it was.
        """
        if self.signer is None:
            raise KeyRingError("This ledger was opened without a key and can only be read.")
        line = Entry.of(facts, seq=self.size, time=time, actor=actor, request=request).to_bytes()
        state = self._state.after(line)
        if not state.ring.find(self.signer.public.id).in_force(state.frontier.size):
            raise KeyRingError(f"The key {self.signer.public.id} is not in force any more. Sign with its successor.")
        self._storage.commit(self.size, line, sign_note(str(state.checkpoint), self.signer))
        self._state = state
        self._leaves.append(leaf_hash(line))
        return state.frontier.size - 1

    def rotate(self, new: SigningKey, *, time: str, actor: str, revoke: bool = False) -> None:
        """Adds a key and ends the present one; this log signs with the new one from now on.

        Args:
            new: The new key, which bears the ledger's name.
            time: When.
            actor: Who.
            revoke: The present key is in wrong hands. Then it does not vouch for the new one, which whoever
                verifies must be given on another way.
        """
        if self.signer is None:
            raise KeyRingError("This ledger was opened without a key and can only be read.")
        old = self.signer
        self.append(introduce(new.public, None if revoke else old), time=time, actor=actor)
        self.signer = new
        end = KeyEvent(event="revoked" if revoke else "retired", key=str(old.public))
        self.append(end, time=time, actor=actor)

    def prove(self, index: int) -> Proof:
        """Shows that the last checkpoint covers an entry.

        Raises:
            LedgerError: There is no such entry.
        """
        return Proof(self._line(index), inclusion_proof(self._leaves, index), self.checkpoint())

    def consistency(self, old: int, new: int | None = None) -> tuple[bytes, ...]:
        """Shows that the ledger of `old` entries is a prefix of that of `new` entries, by default of all.

        Raises:
            LedgerError: Not 0 ≤ old ≤ new ≤ size.
        """
        new = self.size if new is None else new
        if not 0 <= old <= new <= self.size:
            raise LedgerError(f"Expected sizes in order, at most {self.size}; got {old} and {new}.")
        return consistency_proof(self._leaves[:new], old)

    def _line(self, index: int) -> bytes:
        if not 0 <= index < self.size:
            raise LedgerError(f"There is no entry {index}: this ledger has {self.size} entries, counted from 0.")
        return self._storage.entries(index, index + 1)[0]

    def _catch_up(self) -> None:
        size = self._storage.size()
        lines = self._storage.entries(0, size)
        try:
            for line in lines:
                self._state = self._state.after(line)
                self._leaves.append(leaf_hash(line))
            if size:
                self._require_signed(*self._storage.checkpoints(size - 1, size))
        except LedgerError as error:
            raise LedgerDamagedError(
                f"This ledger does not match its last checkpoint. {error} `expunge log verify` finds the place."
            ) from error

    def _require_signed(self, note: str) -> None:
        checkpoint, signed = parse_checkpoint(note)
        if checkpoint != self._state.checkpoint:
            raise LedgerDamagedError(f"Of {checkpoint.size} signed entries, {self.size} are there or some are changed.")
        if not any(self.ring.find(key.id).in_force(self.size) for key in signed.signers(self.ring.publics)):
            raise LedgerDamagedError("No key in force signed it.")
