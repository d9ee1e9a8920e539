"""Only what the ledger names is served, only what was forgotten is certified, and edited releases are noticed."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from expunge.cli.app import run
from expunge.errors import DamagedWorkspaceError, HeldError, MalformedRecordError, UnlawfulMoveError
from expunge.ledger import dsse, names, verify
from expunge.lifecycle import RunOptions, certificate_text, release, rollback, run_waiting, runner
from expunge.lifecycle._recovery import releases_of, served
from expunge.lifecycle.applied import original_of, pristine
from expunge.release._files import file_digest
from expunge.runs import load
from expunge.workspace import State, Workspace
from tests.lifecycle.conftest import JANE
from tests.workspace.tools import assert_sound


def relabel(folder: Path) -> None:
    """Gives every output of a model another class's name; the weights stay as they are."""
    file = folder / "config.json"
    config = json.loads(file.read_text())
    first, *rest = config["id2label"].values()
    config["id2label"] = {str(i): name for i, name in enumerate((*rest, first))}
    config["label2id"] = {name: int(i) for i, name in config["id2label"].items()}
    file.write_text(json.dumps(config))


def hold_all(place: Workspace, *, lift: bool = False) -> None:
    with place.transaction() as transaction:
        transaction.hold_all(JANE, "court order", lift=lift)


@pytest.fixture
def own_model(toy_model_folder, tmp_path) -> Path:
    """A copy of the toy model that a test may change."""
    return Path(shutil.copytree(toy_model_folder, tmp_path / "own-model"))


@pytest.fixture
def own_place(own_model, tmp_path):
    original = original_of(load(own_model, device="cpu"), str(own_model))
    with Workspace.create(tmp_path / "own", original, actor=JANE) as place:
        yield place


def meanwhile(place: Workspace, what: Callable[[Workspace], object]) -> Callable[[str], None]:
    """Does something in another process's place once the model is written and before it is recorded."""

    def reached(step: str) -> None:
        if step == "published":
            with Workspace.open(place.path) as other:
                what(other)

    return reached


def test_a_release_that_fails_after_writing_is_not_served(place, approved) -> None:
    first, second = approved(place, "amber"), approved(place, "blue")
    release(place, first, JANE)
    with pytest.raises(HeldError):
        release(place, second, JANE, reached=meanwhile(place, hold_all))
    assert place.request(second).state == State.APPROVED
    assert releases_of(place).numbers() == (1, 2, 3)
    assert releases_of(place).load().digest() == served(place)
    hold_all(place, lift=True)
    assert release(place, second, JANE).release.number == 3
    assert releases_of(place).load().digest() == served(place)
    assert_sound(place)


def test_a_request_that_is_refused_during_its_release_is_not_served(place, approved) -> None:
    request = approved(place, "amber")
    with pytest.raises(UnlawfulMoveError):
        release(
            place,
            request,
            JANE,
            reached=meanwhile(place, lambda other: other.move(request, State.REFUSED, JANE, "withdrawn")),
        )
    now = releases_of(place).current()
    assert now is not None
    assert now.weights_after == place.settings.model.sha256
    assert place.disagreements() == ()


def test_a_rollback_that_fails_after_writing_is_not_served(place, approved) -> None:
    request = approved(place, "amber")
    done = release(place, request, JANE)
    with pytest.raises(HeldError):
        rollback(place, request, JANE, "withdrawn", reached=meanwhile(place, hold_all))
    assert place.request(request).state == State.RELEASED
    assert releases_of(place).load().digest() == done.release.weights_after


def test_a_hold_of_the_workspace_stops_a_rollback(place, approved) -> None:
    request = approved(place, "amber")
    release(place, request, JANE)
    hold_all(place)
    with pytest.raises(HeldError, match="rolled back"):
        rollback(place, request, JANE, "withdrawn")
    with pytest.raises(HeldError):
        place.move(request, State.ROLLED_BACK, JANE, "withdrawn")
    assert place.request(request).state == State.RELEASED


def test_what_was_rolled_back_is_not_certified_again(place, approved) -> None:
    request = approved(place, "amber")
    release(place, request, JANE)
    rollback(place, request, JANE, "withdrawn")
    day = place.moves(request)[-1].time[:10]
    with pytest.raises(UnlawfulMoveError, match=f"rolled back on {day}"):
        certificate_text(place, request)


def test_a_relabelled_original_is_another_model(own_place, own_model) -> None:
    digest = pristine(own_place).digest()
    relabel(own_model)
    assert load(own_model, device="cpu").digest() == digest
    with pytest.raises(DamagedWorkspaceError, match="class names"):
        pristine(own_place)


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json"])
def test_an_original_with_other_files_is_another_model(own_place, own_model, file) -> None:
    values = json.loads((own_model / file).read_text())
    (own_model / file).write_text(json.dumps(values | {"hidden_act": "relu", "image_mean": [0.0, 0.0, 0.0]}))
    with pytest.raises(DamagedWorkspaceError, match=file):
        pristine(own_place)


def test_workspaces_that_recorded_no_files_compare_the_classes(place) -> None:
    assert place.settings.model.files is None
    assert pristine(place).classes == place.settings.model.classes


def test_an_edited_release_is_noticed(place, approved) -> None:
    done = release(place, approved(place, "amber"), JANE)
    assert place.disagreements() == ()
    relabel(done.folder)
    assert "config.json was changed" in " ".join(place.disagreements())
    record = done.folder.parent / "release.json"
    values = json.loads(record.read_text())
    values["files"]["config.json"] = file_digest(done.folder / "config.json")
    record.write_text(json.dumps(values))
    assert "release records" in " ".join(place.disagreements())


def test_pointing_to_another_release_is_noticed(place, approved) -> None:
    release(place, approved(place, "amber"), JANE)
    releases_of(place).rollback(to=1)
    assert "the ledger names another model" in " ".join(place.disagreements())
    (place.path / "releases" / "current").write_text("{}")
    assert "cannot be read" in " ".join(place.disagreements())


def test_verify_compares_more_than_weights(place, approved, tmp_path, capsys) -> None:
    request = approved(place, "amber")
    done = release(place, request, JANE)
    file = tmp_path / "certificate.json"
    file.write_text(certificate_text(place, request))

    def verified(folder: Path) -> tuple[int, str]:
        code = run(["verify", str(file), "--model", str(folder)])
        printed = capsys.readouterr()
        return code, " ".join((printed.out + printed.err).split())

    code, text = verified(done.folder)
    assert code == 0
    assert "the names and the order of the certificate" in text
    assert "config.json, preprocessor_config.json are the files that were released" in text
    code, text = verified(releases_of(place).model_folder(1))
    assert code == 0
    assert "not compared configuration and preprocessing" in text
    swapped = Path(shutil.copytree(done.folder, tmp_path / "swapped"))
    preprocessor = swapped / "preprocessor_config.json"
    preprocessor.write_text(json.dumps(json.loads(preprocessor.read_text()) | {"image_mean": [0.0, 0.0, 0.0]}))
    code, text = verified(swapped)
    assert code == 2
    assert "preprocessor_config.json differ" in text
    relabel(swapped)
    code, text = verified(swapped)
    assert code == 2
    assert "named or ordered otherwise" in text


def test_long_lists_of_classes_are_carried_by_digest(place, approved, monkeypatch) -> None:
    monkeypatch.setattr(names, "MOST_NAMES", 5)
    request = approved(place, "amber")
    release(place, request, JANE)
    scorecard = verify(certificate_text(place, request)).statement.predicate.scorecard
    assert scorecard["classes"] == names.carried(place.settings.model.classes)
    assert scorecard["classes"] != list(place.settings.model.classes)
    assert scorecard["forgotten"] == ["amber"]


def test_a_certificate_that_cannot_be_is_found_out_before_anything_is_written(place, approved, monkeypatch) -> None:
    request = approved(place, "amber")
    monkeypatch.setattr(dsse, "MOST_PAYLOAD_BYTES", 100)
    with pytest.raises(MalformedRecordError, match="at most"):
        release(place, request, JANE)
    assert releases_of(place).numbers() == ()
    assert place.request(request).state == State.APPROVED


def test_a_runner_that_reads_for_long_keeps_its_plan(place, accepted, asked, monkeypatch) -> None:
    request, gather, now = accepted(place, "amber"), runner.gather, [datetime.now(UTC)]

    def slow(*arguments):
        now[0] += timedelta(hours=1)
        with Workspace.open(place.path, clock=lambda: now[0]) as other:
            assert run_waiting(other, RunOptions(asked.data, asked.method)) == []
        return gather(*arguments)

    monkeypatch.setattr(runner, "gather", slow)
    with Workspace.open(place.path, clock=lambda: now[0]) as mine:
        (outcome,) = run_waiting(mine, asked)
    assert [one.state for one in outcome.requests] == [State.APPROVED]
    assert [move.code for move in place.moves(request) if move.code] == []


def test_a_model_whose_releases_nobody_could_load_is_refused_at_once(tmp_path, capsys) -> None:
    assert run(["init", str(tmp_path / "w"), "--model", "zoo:glyphs"]) == 2
    assert "loaded again" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "w").exists()


def test_a_full_disk_leaves_the_earlier_certificate(place, approved, tmp_path, monkeypatch) -> None:
    request = approved(place, "amber")
    release(place, request, JANE)
    out = tmp_path / "c.json"
    arguments = ["certificate", request, "--out", str(out), "--workspace", str(place.path)]
    assert run(arguments) == 0
    before = out.read_bytes()

    def full(*arguments: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("expunge.durable.os.write", full)
    assert run(arguments) == 2
    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.glob(".*")] == []
