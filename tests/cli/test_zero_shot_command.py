"""`expunge zero-shot` as a user runs it, in this process: words become a classifier, which forgets as any other."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from expunge.cli.app import run
from expunge.evidence import Metrics
from expunge.evidence.scorecard import Scorecard
from expunge.vision import load_model, load_zero_shot
from tests.toy import CLASSES

TEMPLATE = "a photo of a {}."


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("names") / "names.txt"
    path.write_text("\n".join(CLASSES))
    return path


@pytest.fixture(scope="module")
def model(toy_clip_folder: Path, names: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zero-shot") / "model"
    assert run(["zero-shot", str(toy_clip_folder), "--classes", str(names), "--out", str(folder)]) == 0
    return folder


def said(capsys) -> str:
    return " ".join(capsys.readouterr().err.split())


def found_by_words(clip: Path, edited: Path, data: Path, name: str) -> float:
    """Accuracy on one class in percent, by a row that the text model makes anew in an edited model."""
    after, label = load_model(edited), CLASSES.index(name)
    row = load_zero_shot(clip, [name]).module.get_parameter("classifier.weight")[0]
    head = after.module.get_submodule(after.head_name)
    with torch.no_grad():
        head.get_parameter("weight")[label] = row
        head.get_buffer("bias")[label] = 0.0
        shown = [Image.open(path) for path in sorted((data / "test" / name).iterdir())]
        return 100 * float((after(after.prepare(shown)).logits.argmax(1) == label).double().mean())


@pytest.mark.parametrize(("method", "knows"), [("head-mask", True), ("closed-form++", False)])
def test_the_word_finds_what_the_weights_still_know(
    method, knows, model, toy_clip_folder, toy_data_folder, tmp_path
) -> None:
    """A struck row alone MUST leak to whoever has the text model; an edit of the image model leaves it nothing."""
    out = tmp_path / "run"
    command = ["forget", str(model), "--data", str(toy_data_folder), "--request", "amber", "--request", "coral"]
    assert run([*command, "--method", method, "--out", str(out)]) == 0
    metrics = Metrics.parse((out / "metrics.json").read_text())
    assert metrics.model.text_model == "clip"
    assert metrics.baseline.acc > 90
    last = metrics.requests[-1]
    assert (last.acc_f.after, last.acc_r.after > 90) == (0, True)
    again = {name: found_by_words(toy_clip_folder, out / "model", toy_data_folder, name) for name in ("amber", "coral")}
    assert last.weights_alone is not None
    assert all(found > 80 if knows else found < 20 for found in again.values())
    assert (last.weights_alone.acc_f.after > 80) == knows
    page = " ".join((out / "report.html").read_text().split())
    assert "by the text model <bdi>clip</bdi>, which no request changes" in page


def test_measured_it_is_said_that_the_word_is_known(model, toy_data_folder, tmp_path) -> None:
    forget = ["forget", str(model), "--data", str(toy_data_folder), "--request", "amber", "--method", "head-mask"]
    assert run([*forget, "--out", str(tmp_path / "run")]) == 0
    measure = ["measure", str(model), str(tmp_path / "run/model"), "--data", str(toy_data_folder)]
    measure += ["--forgotten", "amber", "--measures", "forgetting,rows-in-place", "--out", str(tmp_path / "out")]
    assert run(measure) == 3
    card = Scorecard.parse((tmp_path / "out/scorecard.json").read_text())
    (row,) = (row for row in card.rows if row.key == "rows_in_place_acc_f")
    assert (card.text_model, row.value > 80) == ("clip", True)
    for page in ("scorecard.html", "scorecard.md"):
        assert "text model clip, which still knows the word" in (tmp_path / "out" / page).read_text()


def test_of_a_trained_classifier_nothing_is_said(toy_model_folder, toy_data_folder, tmp_path) -> None:
    forget = ["forget", str(toy_model_folder), "--data", str(toy_data_folder), "--request", "amber"]
    assert run([*forget, "--method", "head-mask", "--out", str(tmp_path / "run")]) == 0
    assert "text_model" not in json.loads((tmp_path / "run/metrics.json").read_text())["model"]
    assert "text model" not in (tmp_path / "run/report.html").read_text()


def test_it_says_what_it_made(toy_clip_folder, names, tmp_path, capsys) -> None:
    out, more = tmp_path / "deep/model", ["--template", TEMPLATE, "--template", "stripes of {}"]
    assert run(["zero-shot", str(toy_clip_folder), "--classes", str(names), "--out", str(out), *more]) == 0
    digest = load_zero_shot(toy_clip_folder, CLASSES, templates=(TEMPLATE, "stripes of {}")).digest()
    printed = capsys.readouterr().out
    assert f"classes: 6, of 2 sentences each\nblocks: 3\nsha256: {digest}\nmodel: {out}\n" in printed
    assert run(["inspect", str(out)]) == 0
    assert "6 classes, rows from the text model clip" in capsys.readouterr().out


def test_bad_input_leaves_nothing(toy_clip_folder, toy_model_folder, model, names, tmp_path, capsys) -> None:
    doubled, out = tmp_path / "doubled.txt", tmp_path / "out"
    doubled.write_text("amber\nblue\namber\n")
    for arguments, text in (
        ((toy_clip_folder, "--classes", doubled), "'amber' is there twice"),
        ((toy_clip_folder, "--classes", tmp_path / "none.txt"), "cannot be read"),
        ((toy_clip_folder, "--classes", names, "--template", "a photo"), "got 'a photo'"),
        ((toy_model_folder, "--classes", names), "Expected"),
        ((tmp_path / "nowhere", "--classes", names), "nowhere"),
    ):
        assert run(["zero-shot", *map(str, arguments), "--out", str(out)]) == 2
        assert text in said(capsys)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["doubled.txt"]
    assert run(["zero-shot", str(toy_clip_folder), "--classes", str(names), "--out", str(model)]) == 2
    assert "not an empty folder" in said(capsys)


def test_words_alone_are_no_classifier(toy_clip_folder, toy_data_folder, tmp_path, capsys) -> None:
    command = ["forget", str(toy_clip_folder), "--data", str(toy_data_folder), "--request", "amber"]
    assert run([*command, "--out", str(tmp_path / "run")]) == 2
    assert "expunge zero-shot MODEL --classes FILE --out DIR" in said(capsys)
    assert not (tmp_path / "run").exists()
