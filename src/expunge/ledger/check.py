"""Checks a stored ledger from the first byte to the last, and says where it is wrong.

Every entry has its own signed checkpoint. So the first checkpoint whose root cannot be recomputed names the entry
that was changed, dropped, inserted or moved; whoever did it cannot sign another one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from expunge.errors import LedgerError
from expunge.ledger._merkle import leaf_hash, tree_root
from expunge.ledger._note import Note
from expunge.ledger.checkpoint import Checkpoint, parse_checkpoint
from expunge.ledger.entries import Entry
from expunge.ledger.keyring import KeyRing
from expunge.ledger.log import Replay
from expunge.ledger.storage import Storage
from expunge.ledger.text import microseconds

TOLERANCE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong.

    Attributes:
        index: The entry or checkpoint where it is; None where it concerns the ledger as a whole.
        kind: `changed`, `dropped`, `reordered`, `inserted`, `unsigned`, `checkpoint`, `key`, `history` or,
            as a warning, `time`.
        message: What exactly.
    """

    index: int | None
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """Report of a check.

    Attributes:
        size: Number of entries that were verified from the start.
        checkpoint: The last verified checkpoint; None if there is none.
        problems: Each of them means that the ledger is not what was signed.
        warnings: What an honest ledger may have: a clock that went back.
    """

    size: int
    checkpoint: Checkpoint | None
    problems: tuple[Finding, ...]
    warnings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether the ledger is what was signed."""
        return not self.problems


def check(
    storage: Storage,
    trusted: bytes | None = None,
    known: str | None = None,
    tolerance_seconds: int = TOLERANCE_SECONDS,
) -> LedgerReport:
    """Recomputes a ledger.

    Args:
        storage: The ledger.
        trusted: A public key, 32 raw bytes, that the auditor trusts; without it only the ledger's agreement with
            itself is checked, which a stranger with a key of their own could fake as a whole.
        known: A signed checkpoint that the auditor kept. Only with one can it be seen that the ledger was cut
            back or replaced by another one of the same key.
        tolerance_seconds: How far time may go back from one entry to a later one without a warning.
    """
    entries, notes = storage.entries(), storage.checkpoints()
    state, last, problems = Replay(), None, []
    for index, (line, note) in enumerate(zip_longest(entries, notes)):
        try:
            following = _step(state, index, line, note, entries)
        except _FoundError as found:
            problems.append(found.finding)
            if found.final:
                break
            following = state.after(line)  # the entry is as it should be, so the walk can go on
        else:
            last = following.checkpoint
        state = following
    else:
        problems += _strangers(state.ring, notes, trusted)
    problems += _forgotten(state, entries, known)
    return LedgerReport(
        state.frontier.size, last, tuple(problems), tuple(_backwards(entries, state, tolerance_seconds))
    )


class _FoundError(Exception):
    def __init__(self, index: int, kind: str, message: str, *, final: bool) -> None:
        self.finding, self.final = Finding(index, kind, message), final


def _step(state: Replay, index: int, line: bytes | None, note: str | None, entries: Sequence[bytes]) -> Replay:
    """The state after entry `index`, or why there is none."""
    if line is None:
        raise _FoundError(index, "dropped", f"Entry {index} was signed and is not there.", final=True)
    if note is None:
        text = f"Entry {index} is covered by no checkpoint: a write that was cut short, or an addition."
        raise _FoundError(index, "unsigned", text, final=True)
    try:
        following = state.after(line)
        expected = following.checkpoint
    except LedgerError as error:
        raise _FoundError(index, *_misplaced(index, entries, str(error)), final=True) from error
    try:
        found, signed = parse_checkpoint(note)
    except LedgerError as error:
        raise _FoundError(index, "checkpoint", f"Checkpoint {index} is damaged. {error}", final=False) from error
    forged = _forgery(following.ring, expected.size, signed)
    if found == expected and forged is None:
        return following
    if found != expected and forged is None:
        if found.size != expected.size:
            text = f"Checkpoint {index} is one for {found.size} entries: some were dropped or moved."
            raise _FoundError(index, "checkpoint", text, final=True)
        raise _FoundError(index, *_misplaced(index, entries, "Its checkpoint was signed over other bytes."), final=True)
    rekeyed = following.ring is not state.ring and found != expected  # then it may be the entry that names other keys
    text = f"{f'Entry {index} or its checkpoint' if rekeyed else f'Checkpoint {index}'} is changed or forged. {forged}"
    raise _FoundError(index, "changed" if rekeyed else "checkpoint", text, final=rekeyed)


def _forgery(ring: KeyRing, size: int, note: Note) -> str | None:
    """Reason why no key in force has signed this note; None if one has."""
    try:
        signers = note.signers(ring.publics)
    except LedgerError as error:
        return str(error)
    if not signers:
        return "None of the ledger's keys signed it."
    if not any(ring.find(key.id).in_force(size) for key in signers):
        return f"The key {signers[0].id} was not in force."
    return None


def _misplaced(index: int, entries: Sequence[bytes], why: str) -> tuple[str, str]:
    """Fate of the entry at `index`, as far as the numbers in the entries around it tell."""
    here, later = _seq(entries[index]), {_seq(line) for line in entries[index + 1 : index + 2]}
    if here is None or (here == index and index not in later):
        return "changed", f"Entry {index} is changed. {why}"
    if here <= index:
        return "inserted", f"What stands at {index} was inserted or is entry {here} again. {why}"
    if index in {_seq(line) for line in entries[index + 1 :]}:
        return "reordered", f"Entry {here} stands at {index}, and entry {index} further down."
    return "dropped", f"Entry {index} is missing: entry {here} stands in its place."


def _seq(line: bytes) -> int | None:
    try:
        return Entry.parse(line).seq
    except LedgerError:
        return None


def _strangers(ring: KeyRing, notes: Sequence[str], trusted: bytes | None) -> Iterator[Finding]:
    """Says so if the last checkpoint was signed by nobody whom the trusted key introduced."""
    if trusted is None:
        return
    try:
        signers = parse_checkpoint(notes[-1])[1].signers(ring.publics) if notes else ()
        if any(ring.leads_to(key, trusted) for key in signers):
            return
    except LedgerError:
        pass  # a damaged checkpoint has been found before; that it shows no trusted key is true as well
    yield Finding(None, "key", "The last checkpoint was not signed by the trusted key, nor by one that it introduced.")


def _forgotten(state: Replay, entries: Sequence[bytes], known: str | None) -> Iterator[Finding]:
    """Says so if the ledger is no continuation of the checkpoint that the auditor kept."""
    if known is None:
        return
    try:
        kept, note = parse_checkpoint(known)
        signers = note.signers(state.ring.publics)
    except LedgerError as error:
        yield Finding(None, "history", f"The checkpoint that was kept cannot be used. {error}")
        return
    size = state.frontier.size
    ours = not state.ring.records or kept.origin == state.ring.origin
    if ours and size < kept.size:  # the key that signed it may be among what was dropped
        text = f"{kept.size} entries were there when the checkpoint was kept; {size} can be verified."
        yield Finding(size, "dropped", text)
    elif not signers:
        yield Finding(None, "history", "The checkpoint that was kept is not by a key of this ledger.")
    elif tree_root([leaf_hash(line) for line in entries[: kept.size]]) != kept.root:
        yield Finding(None, "history", f"The first {kept.size} entries are others than when the checkpoint was kept.")


def _backwards(entries: Sequence[bytes], state: Replay, tolerance_seconds: int) -> Iterator[Finding]:
    latest = None
    for line in entries[: state.frontier.size]:
        entry = Entry.parse(line)
        moment = microseconds(entry.time)
        if latest is not None and moment < latest - tolerance_seconds * 1_000_000:
            back = (latest - moment) / 1_000_000
            yield Finding(entry.seq, "time", f"Entry {entry.seq} is dated {back:.0f} s before an earlier one.")
        latest = moment if latest is None else max(latest, moment)
