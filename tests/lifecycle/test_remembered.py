"""A workspace with a memory: runs use it, and a released class's statistics go, whenever the machine stops."""

from pathlib import Path

import pytest

from expunge.data import align, load_folder
from expunge.errors import DamagedMemoryError, HeldError, MemoryNotFoundError
from expunge.ledger import verify
from expunge.lifecycle import RunOptions, certificate_text, release, rollback, run_waiting
from expunge.lifecycle._class_memory import lowest_block
from expunge.lifecycle._recovery import destroy_due, recover
from expunge.memory import Index, calibrate, save_memory
from expunge.methods import HeadMask
from expunge.methods.closed_form import ClosedForm
from expunge.runs import load
from expunge.workspace import Original, State, Workspace
from expunge.workspace.submission import digest_of
from tests.lifecycle.conftest import JANE, LENIENT
from tests.workspace.dying import fresh_copy, survives
from tests.workspace.tools import assert_sound, ledger_entries

ENTRY = 1


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def destroyed(place: Workspace) -> list[tuple[str, int, str]]:
    facts = [entry["facts"] for entry in ledger_entries(place) if entry["facts"]["kind"] == "destruction"]
    return [(one["what"], one["count"], one["sha256"]) for one in facts]


@pytest.fixture(scope="module")
def memories(toy_model_folder, toy_data_folder, tmp_path_factory) -> dict[str, Path]:
    """All classes, and what calibrating without amber gives. Do not write to them."""
    root = tmp_path_factory.mktemp("memories")
    model = load(toy_model_folder, device="cpu")
    train = align(load_folder(toy_data_folder), model.classes).train
    save_memory(calibrate(model, train, ENTRY, 4), root / "all")
    save_memory(calibrate(model, train.without([0]), ENTRY, 4), root / "without-amber")
    return {path.name: path for path in root.iterdir()}


@pytest.fixture
def memory(memories, tmp_path) -> Path:
    return fresh_copy(memories["all"], tmp_path / "memory")


@pytest.fixture
def place(memory, toy_model_folder, tmp_path):
    (tmp_path / "policy.toml").write_text(LENIENT)
    model = load(toy_model_folder, device="cpu")
    original = Original(source=str(toy_model_folder), sha256=model.digest(), classes=model.classes)
    made = Workspace.create(
        tmp_path / "workspace", original, memory=str(memory), policy=tmp_path / "policy.toml", actor=JANE
    )
    yield made
    made.close()


def test_a_release_takes_the_classs_statistics_with_it(place, approved, memory, memories) -> None:
    request = approved(place, "amber")
    (amber,) = Index.read(memory).named(["amber"])
    assert content(memory) == content(memories["all"])
    release(place, request, JANE)
    assert content(memory) == content(memories["without-amber"])
    images = ("forget-images", 10, place.request(request).images_sha256)
    assert sorted(destroyed(place)) == sorted([images, ("class-statistics", 1, digest_of([amber.sha256]))])
    noted = [row.sha256 for row in place.artefact_records(request) if row.role == "class-statistics"]
    assert noted == [amber.sha256]
    assert_sound(place)
    rollback(place, request, JANE, "withdrawn")
    recover(place)
    assert content(memory) == content(memories["without-amber"])
    assert_sound(place)


def test_what_stays_in_the_model_stays_in_the_memory(place, approved, memory, memories) -> None:
    request = approved(place, "amber")
    place.move(request, State.REFUSED, JANE, "not him")
    destroy_due(place)
    assert place.request(request).destroyed
    assert content(memory) == content(memories["all"])
    assert [what for what, _, _ in destroyed(place)] == ["forget-images"]
    assert_sound(place)


def test_a_hold_keeps_both(place, approved, memory, memories) -> None:
    request = approved(place, "amber")
    with place.transaction() as transaction:
        transaction.hold_images(request, JANE)
    release(place, request, JANE)
    assert content(memory) == content(memories["all"])
    with place.transaction() as transaction:
        transaction.hold_images(request, JANE, lift=True)
    recover(place)
    assert content(memory) == content(memories["without-amber"])
    assert_sound(place)


def test_a_memory_that_is_gone_stops_the_destruction_until_it_is_back(
    place, approved, memory, memories, tmp_path
) -> None:
    request = approved(place, "amber")
    memory.rename(tmp_path / "elsewhere")
    with pytest.raises(MemoryNotFoundError, match=str(memory)):
        release(place, request, JANE)
    assert place.request(request).state == State.RELEASED
    assert place.request(request).destroyed is None
    (tmp_path / "elsewhere").rename(memory)
    (memory / "memory.json").write_text("{")
    with pytest.raises(DamagedMemoryError):
        recover(place)
    (memory / "memory.json").write_bytes((memories["all"] / "memory.json").read_bytes())
    release(place, request, JANE)
    assert content(memory) == content(memories["without-amber"])
    assert_sound(place)


def test_images_are_not_called_destroyed_while_noted_statistics_are_left(place, approved, memory) -> None:
    request = approved(place, "amber")
    with place.transaction() as transaction:
        transaction.move(request, State.RELEASED, JANE)
        transaction.record_artefact(request, "class-statistics", "0" * 64, None, JANE)
    with pytest.raises(HeldError, match="statistics"):
        place.destroy_images(request, JANE)
    assert list((place.path / "quarantine" / request).rglob("*.png"))


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_a_destruction_killed_anywhere_is_finished_and_recorded_once(
    place, approved, memory, memories, tmp_path, every
) -> None:
    request = approved(place, "amber")
    (amber,) = Index.read(memory).named(["amber"])
    place.move(request, State.RELEASED, JANE)
    place.close()
    start = fresh_copy(place.path, tmp_path / "start")

    def go() -> None:
        with Workspace.open(place.path) as opened:
            destroy_due(opened)

    effect, done = 0, False
    while not done:
        for power in (False, True):
            fresh_copy(start, place.path)
            fresh_copy(memories["all"], memory)
            done = survives(go, effect, power=power)
            go()
            assert content(memory) == content(memories["without-amber"])
            with Workspace.open(place.path) as opened:
                assert_sound(opened)
                assert opened.request(request).destroyed
                statistics = [one for one in destroyed(opened) if one[0] == "class-statistics"]
                assert statistics == [("class-statistics", 1, digest_of([amber.sha256]))]
        effect += every
    assert effect > 20


def test_the_memory_says_how_deep_an_edit_may_go(place, memory) -> None:
    assert lowest_block(place, ClosedForm()) == ENTRY
    assert lowest_block(place, HeadMask()) == 0
    (memory / "memory.json").unlink()
    assert lowest_block(place, HeadMask()) == 0
    with pytest.raises(MemoryNotFoundError):
        lowest_block(place, ClosedForm())


def test_runs_are_made_with_the_memory_and_say_so(place, accepted, memory, toy_data_folder) -> None:
    first = accepted(place, "amber")
    run_waiting(place, RunOptions(str(toy_data_folder)))
    assert place.request(first).state == State.APPROVED
    second = accepted(place, "blue")
    run_waiting(place, RunOptions(str(toy_data_folder)))
    index = Index.read(memory)
    release(place, first, JANE)
    release(place, second, JANE)
    assert [index.classes[one.index] for one in Index.read(memory).statistics] == ["coral", "dune", "elm", "fern"]
    for request, gone in ((first, []), (second, ["amber"])):
        facts = verify(certificate_text(place, request)).statement.predicate.data
        (used,) = [one for one in facts if one.role == "class-statistics"]
        known = index.without(gone).statistics
        assert (used.count, used.sha256) == (8 * len(known), digest_of(one.sha256 for one in known))
    assert_sound(place)
