import pytest

from expunge.errors import (
    KeyRingError,
    LedgerConflictError,
    LedgerDamagedError,
    LedgerError,
    LedgerNotFoundError,
    MalformedRecordError,
)
from expunge.ledger import FolderStorage, KeyEvent, Log, MemoryStorage, StateMove, check, parse_checkpoint
from expunge.ledger._merkle import extends, includes, leaf_hash, tree_root
from tests.ledger.ledger_samples import FACTS, KEY, NAME, NEXT_KEY, STRANGER, at, ledger


def test_every_append_is_signed() -> None:
    storage = MemoryStorage()
    log = ledger(8, storage)
    lines = storage.entries()
    for size, note in enumerate(storage.checkpoints(), start=1):
        checkpoint, signed = parse_checkpoint(note)
        assert checkpoint.origin == NAME
        assert (checkpoint.size, checkpoint.root) == (size, tree_root([leaf_hash(line) for line in lines[:size]]))
        assert signed.signers([KEY.public]) == (KEY.public,)
    assert log.checkpoint() == storage.checkpoints()[-1]
    assert [log.entry(index).seq for index in range(8)] == list(range(8))
    assert log.entry(1).facts == FACTS[0]


def test_proofs_verify_against_the_signed_checkpoint() -> None:
    log = ledger(7)
    for index in range(7):
        proof = log.prove(index)
        checkpoint, _ = parse_checkpoint(proof.checkpoint)
        assert includes(checkpoint.root, 7, index, leaf_hash(proof.entry), proof.path)


def test_consistency_between_all_checkpoints() -> None:
    storage = MemoryStorage()
    log = ledger(7, storage)
    roots = [parse_checkpoint(note)[0].root for note in storage.checkpoints()]
    for new in range(1, 8):
        for old in range(1, new + 1):
            assert extends(roots[old - 1], old, roots[new - 1], new, log.consistency(old, new))
    assert extends(roots[2], 3, roots[6], 7, log.consistency(3))


def test_a_reopened_log_goes_on(tmp_path) -> None:
    kept = ledger(5, FolderStorage.create(tmp_path / "ledger")).checkpoint()
    log = Log(FolderStorage(tmp_path / "ledger"), KEY)
    assert (log.size, log.checkpoint()) == (5, kept)
    assert log.append(FACTS[0], time=at(9), actor="runner") == 5
    assert log.entry(5).facts == FACTS[0]
    assert check(FolderStorage(tmp_path / "ledger"), KEY.public.raw, kept).ok


def test_a_log_without_a_key_can_only_be_read() -> None:
    storage = MemoryStorage()
    ledger(3, storage)
    reader = Log(storage)
    assert reader.entry(2).facts == FACTS[1]
    with pytest.raises(KeyRingError, match="only be read"):
        reader.append(FACTS[0], time=at(9), actor="runner")
    with pytest.raises(KeyRingError, match="only be read"):
        reader.rotate(NEXT_KEY, time=at(9), actor="runner")


@pytest.mark.parametrize("index", [-1, 3])
def test_entries_that_are_not_there(index) -> None:
    log = ledger(3)
    for ask in (log.entry, log.prove):
        with pytest.raises(LedgerError, match="has 3 entries"):
            ask(index)


@pytest.mark.parametrize(("old", "new"), [(-1, 2), (3, 2), (0, 4)])
def test_sizes_that_are_not_there(old, new) -> None:
    with pytest.raises(LedgerError, match="at most 3"):
        ledger(3).consistency(old, new)


def test_an_empty_ledger_has_nothing_signed(tmp_path) -> None:
    with pytest.raises(LedgerError, match="empty"):
        Log(MemoryStorage()).checkpoint()
    with pytest.raises(KeyRingError, match="no key"):
        Log(MemoryStorage(), KEY).append(FACTS[0], time=at(1), actor="runner")
    with pytest.raises(LedgerNotFoundError, match="holds no ledger"):
        Log(FolderStorage(tmp_path / "nowhere"))


def test_a_refused_entry_changes_nothing() -> None:
    storage = MemoryStorage()
    log = ledger(3, storage)
    with pytest.raises(MalformedRecordError):
        log.append(FACTS[0], time="yesterday", actor="runner")
    with pytest.raises(KeyRingError):
        log.append(KeyEvent(event="retired", key=str(STRANGER.public)), time=at(9), actor="runner")
    assert (log.size, storage.size()) == (3, 3)
    assert log.append(FACTS[0], time=at(9), actor="runner") == 3


def test_the_second_of_two_writers_is_told() -> None:
    storage = MemoryStorage()
    first = ledger(3, storage)
    second = Log(storage, KEY)
    first.append(FACTS[0], time=at(9), actor="runner")
    with pytest.raises(LedgerConflictError, match="3 entries, found 4"):
        second.append(FACTS[0], time=at(9), actor="runner")
    assert check(storage).ok


def test_nothing_is_added_to_a_damaged_ledger() -> None:
    """A new signature would cover the damage."""
    storage = MemoryStorage()
    ledger(4, storage)
    original = storage.entries()[2]
    for other in (original.replace(b"accepted", b"rejected"), b"{}", storage.entries()[1]):
        storage._entries[2] = other
        with pytest.raises(LedgerDamagedError, match="expunge log verify"):
            Log(storage, KEY)
    storage._entries[2] = original
    storage._checkpoints[3] = storage._checkpoints[3].replace("AA", "BA").replace("9", "8")
    with pytest.raises(LedgerDamagedError):
        Log(storage, KEY)
    del storage._entries[3]
    with pytest.raises(LedgerDamagedError):
        Log(storage, KEY)


def test_a_stranger_cannot_extend_a_ledger() -> None:
    storage = MemoryStorage()
    ledger(3, storage)
    with pytest.raises(KeyRingError, match="no key"):
        Log(storage, STRANGER).append(FACTS[0], time=at(9), actor="runner")


def test_rotation_keeps_old_signatures_and_ends_the_old_key() -> None:
    storage = MemoryStorage()
    log = ledger(4, storage)
    kept = log.checkpoint()
    log.rotate(NEXT_KEY, time=at(10), actor="operator")
    log.append(FACTS[0], time=at(11), actor="runner")
    report = check(storage, KEY.public.raw, kept)
    assert (report.ok, report.size) == (True, 7)
    assert check(storage, NEXT_KEY.public.raw).ok
    assert [event.facts.event for event in map(log.entry, (0, 4, 5)) if isinstance(event.facts, KeyEvent)] == [
        "added",
        "added",
        "retired",
    ]
    with pytest.raises(KeyRingError, match="not in force"):
        Log(storage, KEY).append(FACTS[0], time=at(12), actor="runner")


def test_after_a_revocation_the_old_key_leads_nowhere() -> None:
    storage = MemoryStorage()
    log = ledger(4, storage)
    log.rotate(NEXT_KEY, time=at(10), actor="operator", revoke=True)
    assert check(storage).ok
    assert check(storage, NEXT_KEY.public.raw).ok
    assert [finding.kind for finding in check(storage, KEY.public.raw).problems] == ["key"]
    with pytest.raises(KeyRingError, match="not in force"):
        Log(storage, KEY).append(StateMove(before=None, after="received"), time=at(12), actor="runner")
