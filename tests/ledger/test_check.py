from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.ledger import Log, MemoryStorage, check
from expunge.ledger._note import sign_note
from expunge.ledger.entries import Entry
from expunge.ledger.keyring import introduce
from expunge.ledger.log import Replay
from tests.ledger.ledger_samples import FACTS, KEY, NEXT_KEY, STRANGER, at, ledger


class Stored(MemoryStorage):
    """A store with any content."""

    def __init__(self, entries: Sequence[bytes], checkpoints: Sequence[str]) -> None:
        self._entries, self._checkpoints = list(entries), list(checkpoints)


def original() -> MemoryStorage:
    storage = MemoryStorage()
    log = ledger(5, storage)
    log.rotate(NEXT_KEY, time=at(10), actor="operator")
    for minute in (11, 12):
        log.append(FACTS[minute % 2], time=at(minute), actor="runner", request="r-0002")
    return storage


ENTRIES, NOTES = list(original().entries()), list(original().checkpoints())
SIZE = len(ENTRIES)
index = st.integers(0, SIZE - 1)


def flip(data: bytes, bit: int) -> bytes:
    bit %= len(data) * 8
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def flip_text(text: str, bit: int) -> str:
    return flip(text.encode(), bit).decode("utf-8", "replace")


def damages(items: list[Any], flipped: Callable[[Any, int], Any]) -> st.SearchStrategy[list[Any]]:
    """Every list that differs from `items` by one flip, drop, swap, copy or move."""

    def replaced(at: int, bit: int) -> list[Any]:
        return [*items[:at], flipped(items[at], bit), *items[at + 1 :]]

    def swapped(one: int, other: int) -> list[Any]:
        found = list(items)
        found[one], found[other] = found[other], found[one]
        return found

    def copied(one: int, to: int) -> list[Any]:
        return [*items[:to], items[one], *items[to:]]

    def moved(one: int, to: int) -> list[Any]:
        rest = items[:one] + items[one + 1 :]
        return [*rest[:to], items[one], *rest[to:]]

    return st.one_of(
        st.builds(replaced, index, st.integers(0, 10_000)),
        st.builds(lambda at: items[:at] + items[at + 1 :], index),
        st.builds(swapped, index, index),
        st.builds(copied, index, st.integers(0, SIZE)),
        st.builds(moved, index, index),
    ).filter(lambda found: found != items)


def first_difference(found: Sequence[Any], items: Sequence[Any]) -> int:
    pairs = zip(found, items, strict=False)
    return next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(found), len(items)))


def test_the_original_is_sound() -> None:
    report = check(original(), KEY.public.raw, NOTES[2])
    assert (report.problems, report.warnings, report.size) == ((), (), SIZE)
    assert report.checkpoint is not None
    assert report.checkpoint.size == SIZE


@given(damages(ENTRIES, flip))
@settings(max_examples=100)
def test_any_damage_to_entries_is_found_where_it_is(entries) -> None:
    problems = check(Stored(entries, NOTES)).problems
    assert problems
    assert problems[0].index == first_difference(entries, ENTRIES)


@given(damages(NOTES, flip_text))
@settings(max_examples=100)
def test_any_damage_to_checkpoints_is_found_where_it_is(notes) -> None:
    problems = check(Stored(ENTRIES, notes)).problems
    assert problems
    assert problems[0].index == first_difference(notes, NOTES)


@pytest.mark.parametrize(
    ("entries", "index", "kind"),
    [
        ([*ENTRIES[:2], ENTRIES[2].replace(b"accepted", b"rejected"), *ENTRIES[3:]], 2, "changed"),
        ([*ENTRIES[:2], ENTRIES[2].replace(b"09:02", b"08:02"), *ENTRIES[3:]], 2, "changed"),
        ([*ENTRIES[:2], b"{}", *ENTRIES[3:]], 2, "changed"),
        ([*ENTRIES[:2], *ENTRIES[3:]], 2, "dropped"),
        (ENTRIES[:-1], SIZE - 1, "dropped"),
        ([*ENTRIES[:2], ENTRIES[4], ENTRIES[3], ENTRIES[2], *ENTRIES[5:]], 2, "reordered"),
        ([*ENTRIES[:3], ENTRIES[2], *ENTRIES[3:]], 3, "inserted"),
        ([*ENTRIES[:3], ENTRIES[3].replace(b"default", b"lenient"), *ENTRIES[3:]], 3, "inserted"),
        ([*ENTRIES, ENTRIES[-1]], SIZE, "unsigned"),
        ([ENTRIES[0].replace(str(KEY.public).encode(), str(STRANGER.public).encode()), *ENTRIES[1:]], 0, "changed"),
    ],
)
def test_what_happened_is_named(entries, index, kind) -> None:
    (problem,) = check(Stored(entries, NOTES)).problems
    assert (problem.index, problem.kind) == (index, kind)
    assert str(index) in problem.message


def test_a_damaged_checkpoint_does_not_hide_what_follows() -> None:
    notes = [*NOTES[:1], flip_text(NOTES[1], 5), *NOTES[2:4], "", *NOTES[5:]]
    entries = [*ENTRIES[:6], ENTRIES[6].replace(b"retired", b"revoked"), *ENTRIES[7:]]
    assert [(found.index, found.kind) for found in check(Stored(entries, notes)).problems] == [
        (1, "checkpoint"),
        (4, "checkpoint"),
        (6, "changed"),
    ]


def resigned(entries: Sequence[bytes], signer) -> MemoryStorage:
    """These entries with a checkpoint each, whether or not the signer may."""
    state, notes = Replay(), []
    for line in entries:
        state = state.after(line)
        notes.append(sign_note(str(state.checkpoint), signer))
    return Stored(entries, notes)


def test_a_signature_by_a_key_that_was_not_in_force_is_found() -> None:
    for signer, wrong in ((KEY, range(6, SIZE)), (NEXT_KEY, range(5)), (STRANGER, range(SIZE))):
        problems = check(resigned(ENTRIES, signer)).problems
        assert [(found.index, found.kind) for found in problems] == [(at, "checkpoint") for at in wrong]


def test_a_ledger_faked_as_a_whole_is_found_by_the_key() -> None:
    storage = MemoryStorage()
    ledger(4, storage, STRANGER)
    assert check(storage).ok
    assert [found.kind for found in check(storage, KEY.public.raw).problems] == ["key"]
    assert [found.kind for found in check(MemoryStorage(), KEY.public.raw).problems] == ["key"]


def test_a_ledger_that_was_cut_back_is_found_by_a_kept_checkpoint() -> None:
    cut = Stored(ENTRIES[:5], NOTES[:5])
    assert check(cut, KEY.public.raw).ok
    (problem,) = check(cut, KEY.public.raw, NOTES[6]).problems  # signed by a key whose addition was cut off, too
    assert (problem.index, problem.kind) == (5, "dropped")


def test_another_history_by_the_same_key_is_found_by_a_kept_checkpoint() -> None:
    storage = MemoryStorage()
    log = ledger(2, storage)
    for minute in range(6):
        log.append(FACTS[4], time=at(minute), actor="runner")
    assert check(storage, KEY.public.raw).ok
    assert check(storage, KEY.public.raw, NOTES[1]).ok
    assert [found.kind for found in check(storage, KEY.public.raw, NOTES[3]).problems] == ["history"]


@pytest.mark.parametrize("known", ["", "text", flip_text(NOTES[3], 200), sign_note("a\n1\nb\n", STRANGER)])
def test_a_kept_checkpoint_must_be_one(known) -> None:
    assert [found.kind for found in check(original(), None, known).problems] == ["history"]


def test_a_kept_checkpoint_of_another_ledger_is_none() -> None:
    other = ledger(3, MemoryStorage(), STRANGER).checkpoint()
    (problem,) = check(original(), None, other).problems
    assert "not by a key of this ledger" in problem.message


def test_a_clock_that_goes_back_is_a_warning() -> None:
    log = ledger(2, storage := MemoryStorage())
    for minute in (20, 16, 14, 21, 10):
        log.append(FACTS[0], time=at(minute), actor="runner")
    report = check(storage)
    assert report.ok
    assert [(found.index, found.kind) for found in report.warnings] == [(4, "time"), (6, "time")]
    assert "360 s" in report.warnings[0].message
    assert [found.index for found in check(storage, tolerance_seconds=0).warnings] == [3, 4, 6]


def test_a_ledger_that_does_not_begin_with_a_key_is_refused() -> None:
    line = Entry.of(FACTS[0], seq=0, time=at(0), actor="runner").to_bytes()
    assert [found.index for found in check(Stored([line], NOTES[:1])).problems] == [0]


def test_an_event_that_cannot_be_is_found_though_it_is_signed() -> None:
    twice = Entry.of(introduce(KEY.public), seq=2, time=at(2), actor="system").to_bytes()
    storage = Stored([*ENTRIES[:2], twice], NOTES[:3])
    (problem,) = check(storage).problems
    assert problem.index == 2
    assert "there already" in problem.message


def test_an_entry_of_a_later_version_is_named() -> None:
    newer = ENTRIES[1].replace(b"entry/v1", b"entry/v2")
    (problem,) = check(Stored([ENTRIES[0], newer], NOTES[:2])).problems
    assert "Update" in problem.message


def test_an_empty_ledger_is_sound() -> None:
    assert check(MemoryStorage()).ok
    assert Log(MemoryStorage()).size == 0
