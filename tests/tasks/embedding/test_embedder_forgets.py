"""Embedders forget people: in Python and from the command line, measured beside strangers; bad input is one error."""

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from expunge.adapters import load_edit
from expunge.cli.app import run
from expunge.data import Images, Splits
from expunge.errors import ClassMismatchError, MethodError, UnknownClassError
from expunge.evidence import make_measure
from expunge.evidence.policy import load_policy
from expunge.evidence.verdict import judge
from expunge.memory import calibrate
from expunge.methods import make_method, method_class, method_names
from expunge.runs import RunFolder, forget, load, read, strangers_of
from expunge.runs.comparing import ModelComparison
from expunge.runs.measuring import known_keys, measure_models
from expunge.tasks import find_task
from expunge.tasks.embedding import EmbeddingModel, load_embedder
from expunge.tasks.embedding._disk import GALLERY

NAMES = ("p00", "p01", "p02")


def test_people_leave_the_weights_and_the_gallery_in_one_request(
    embedder: EmbeddingModel, people: Splits[Images]
) -> None:
    done = forget(embedder, people, [NAMES[:2], NAMES[2:]])
    first, second = done.metrics.requests
    assert (done.metrics.task, done.metrics.unit, done.metrics.baseline.acc) == ("embedding", "rank-1", 100.0)
    assert (first.acc_f.after, second.acc_f.after, first.acc_r.after) == (0.0, 0.0, 100.0)
    assert second.acc_r.after >= 95
    assert first.weights_alone is not None
    assert first.weights_alone.acc_f.after <= 20  # with their rows put back
    assert done.model.gallery.counts() == (0, 0, 0, *[10] * 7)
    assert [edit.masked for edit in done.edits] == [(0, 1), (2,)]
    assert all(edit.touched for edit in done.edits)
    while done.edits:
        done.undo()
    assert done.model.digest() == embedder.digest()


def test_deleting_rows_alone_is_the_head_mask_and_leaves_the_weights_knowing(
    embedder: EmbeddingModel, people: Splits[Images]
) -> None:
    done = forget(embedder, people, [NAMES], method="head-mask")
    (request,) = done.metrics.requests
    assert request.acc_f.after == 0.0
    assert request.weights_alone is not None
    assert request.weights_alone.acc_f.after == 100.0
    assert (request.head_mask.acc_f, request.head_mask.acc_r) == (request.acc_f.after, request.acc_r.after)


def test_statistics_stand_in_for_photos(embedder: EmbeddingModel, people: Splits[Images]) -> None:
    """As for classifiers: not a single training photo is at hand."""
    memory = calibrate(embedder, people.train, entry=1)
    without = replace(people, train=people.train.only([]), validation=people.validation.only([]))
    (request,) = forget(embedder, without, ["p04"], memory=memory).metrics.requests
    assert (request.images.forget, request.images.retain, request.acc_f.after) == (0, 0, 0.0)
    assert request.acc_r.after >= 95


QUICK = ("closed-form", "damp", "l2")
ALL = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in method_names("embedding")]


@pytest.mark.parametrize("method", ALL)
def test_methods_of_classifiers_leave_the_gallerys_rows_alone(
    method: str, embedder: EmbeddingModel, people: Splits[Images]
) -> None:
    known = {field.name for field in fields(method_class(method, task="embedding"))}
    few = make_method(method, task="embedding", settings={"max_steps": 5} if "max_steps" in known else {})
    done = forget(embedder, people, ["p00"], method=few)
    (edit,) = done.edits
    assert edit.touched or method in ("head-mask", "gs-lora", "gs-lora++")  # the others may prune every group
    assert not any(name.startswith("classifier") for name in edit.touched)
    stays = embedder.gallery.owners != 0
    assert torch.equal(done.model.gallery.weight[stays], embedder.gallery.weight[stays])
    assert done.metrics.requests[0].acc_f.after <= 100 * (not edit.masked)
    done.undo()
    assert done.model.digest() == embedder.digest()


@pytest.fixture(scope="module")
def forgotten(embedder_folder: Path, people: Splits[Images], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people forgotten, on the disk."""
    folder = RunFolder(tmp_path_factory.mktemp("forgotten") / "run")
    folder.create({})
    done = forget(load(embedder_folder, device="cpu"), people, [NAMES], folder=folder)
    folder.write_model(done.model.save)
    return folder.path


@pytest.mark.slow
def test_strangers_say_that_they_are_as_never_seen_and_suffer_not(
    embedder: EmbeddingModel, forgotten: Path, people: Splits[Images], outsiders_folder: Path
) -> None:
    card = measure_models(
        ModelComparison(original=embedder, edited=load(forgotten / "model"), forgotten=NAMES),
        people,
        [make_measure(name, task="embedding") for name in ("rows-in-place", "verification", "strangers")],
        data_name="people",
        strangers=strangers_of(read(outsiders_folder, seed=0)),
    )
    rows = {row.key: row for row in card.rows}
    assert (rows["gallery_rows"].value, rows["gallery_rows"].original) == (0.0, 30.0)
    assert rows["rows_in_place_acc_f"].value <= 20
    assert rows["strangers_known_p"].value >= 0.05
    assert rows["anew_rank1_s"].n == 24 * 6
    assert rows["anew_rank1_s"].value >= (rows["anew_rank1_s"].original or 0.0) - 5
    assert rows["anew_rank1_r"].value >= 95
    assert "beside_anew_alike" in rows


def test_a_released_gallery_cannot_be_asked_about_them_again(forgotten: Path, people: Splits[Images]) -> None:
    released = load_embedder(forgotten / "model")
    with pytest.raises(UnknownClassError, match="no row of 'p01': the person was struck before"):
        forget(released, people, ["p01"], method="head-mask")
    (edit,) = (forgotten / "edits").iterdir()
    assert load_edit(edit).masked == (0, 1, 2)
    assert forget(released, people, ["p05"], method="head-mask").model.gallery.counts()[5] == 0


def test_unknown_people_are_refused(embedder: EmbeddingModel, people: Splits[Images], outsiders_folder: Path) -> None:
    with pytest.raises(UnknownClassError, match="'p77', which is no class of the model"):
        forget(embedder, people, ["p77"])
    with pytest.raises(ClassMismatchError, match="does not know 24"):
        forget(embedder, outsiders_folder, ["p00"])


def test_what_is_unfit_is_refused_in_words() -> None:
    with pytest.raises(MethodError, match="'retrain' is not for embedders: it trains blocks anew on"):
        make_method("retrain", task="embedding")
    assert {*method_names()} - {*method_names("embedding")} == {"retrain"}


def test_says_what_it_is() -> None:
    task = find_task("embedding")
    assert (task.noun, task.unit, task.thing) == ("embedder", "rank-1", "image")


@pytest.mark.slow
def test_from_a_bare_backbone_on_the_command_line(
    backbone_folder: Path,
    people_folder: Path,
    outsiders_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object, code: int = 0) -> str:
        capsys.readouterr()
        assert run([str(argument) for argument in arguments]) == code
        return " ".join("".join(capsys.readouterr()).split())

    assert "rows: 100 of 48 numbers" in call("enroll", backbone_folder, "--data", people_folder, "--out", "embedder")
    assert "is not an empty folder" in call(
        "enroll", backbone_folder, "--data", people_folder, "--out", "embedder", code=2
    )
    assert "task: embedder" in call("inspect", "embedder")
    assert "rank-1 in %" in call("forget", "embedder", "--data", people_folder, "--request", "p00,p01", "--out", "run")
    assert GALLERY in {path.name for path in Path("run/model").iterdir()}
    assert json.loads(Path("run/metrics.json").read_text())["task"] == "embedding"
    said = call(
        *("measure", "embedder", "run/model", "--data", people_folder, "--forgotten", "p00,p01"),
        *("--strangers", outsiders_folder, "--measures", "forgetting,rows-in-place,verification,strangers"),
        *("--out", "card"),
        code=3,
    )
    assert "rank-1, strangers, anew" in said
    assert json.loads(Path("card/scorecard.json").read_text())["task"] == "embedding"
    again = call("enroll", "embedder", "--data", people_folder, "--photos", 2, "--out", "fewer")
    assert "rows: 20 of 48 numbers" in again


@pytest.mark.parametrize("method", ["head-mask", "closed-form++"])
def test_not_to_be_found_again_is_asked_of_people_enrolled_anew(
    method: str, embedder: EmbeddingModel, people: Splits[Images]
) -> None:
    done = forget(embedder, people, [NAMES], method=method)
    card = measure_models(
        ModelComparison(original=embedder, edited=done.model, forgotten=NAMES),
        people,
        [make_measure(name, task="embedding") for name in ("forgetting", "rows-in-place", "verification")],
        data_name="people",
    )
    rules = load_policy(Path("not-to-be-found-again"), known=known_keys(task="embedding"), task="embedding")
    verdict = judge(card, rules)
    failed = {reason.key for reason in verdict.reasons if reason.status == "failed"}
    assert verdict.outcome == "not_erased"  # a good embedder finds whom it never saw
    assert "anew_rank1_f" in failed
    assert ("rows_in_place_acc_f" in failed) == (method == "head-mask")
