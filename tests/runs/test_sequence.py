import json
from dataclasses import replace
from typing import Any

import pytest
import torch

import expunge
from expunge.adapters import EditStack
from expunge.data import align, load_folder
from expunge.errors import OutputError, ResumeError, TooFewImagesError
from expunge.methods import HeadMask
from expunge.runs import RunFolder
from expunge.tasks import Budget, available, find_task, make_plan

QUICK = {"epochs": 40, "last_blocks": 2}


@pytest.fixture(scope="module")
def run(toy_model_folder, toy_data_folder) -> expunge.ForgetRun:
    """Amber, then blue and coral, with dune missing."""
    method = expunge.make_method("gs-lora++", settings=QUICK)
    return expunge.forget(
        toy_model_folder, toy_data_folder, [["amber"], ["blue", "coral"]], method=method, missing=["dune"]
    )


def test_forgets_in_sequence_and_keeps_the_rest(run) -> None:
    first, second = run.metrics.requests
    assert first.acc_f.after == 0
    assert second.acc_f.after == 0
    assert second.acc_r.after >= 80
    assert first.acc_o is None
    assert second.acc_o is not None
    assert second.acc_m is not None
    assert (first.acc_f.n, first.acc_r.n, second.acc_o.n, second.acc_m.n) == (6, 30, 6, 6)


def test_counts_the_images_it_used(run) -> None:
    # 10 training images a class, 2 of them held out; dune and what was forgotten before give none.
    assert [(r.images.forget, r.images.retain) for r in run.metrics.requests] == [(8, 32), (16, 16)]


def test_figures_are_those_of_the_model_itself(run, toy_data_folder) -> None:
    test = align(load_folder(toy_data_folder), run.model.classes).test
    with torch.no_grad():
        logits = run.model(run.model.prepare(test.load())).logits
    torch.testing.assert_close(logits, run.logits[-1], rtol=1e-4, atol=1e-4)
    stay = torch.tensor([label in (3, 4, 5) for label in test.labels])
    right = (logits.argmax(1) == torch.tensor(test.labels))[stay].float().mean().item()
    assert run.metrics.requests[-1].acc_r.after == pytest.approx(100 * right, abs=0.01)


def test_before_is_the_untouched_model_in_every_row(run, toy_model_folder) -> None:
    model, test = expunge.load_model(toy_model_folder), run.data.test
    labels = torch.tensor(test.labels)
    with torch.no_grad():
        right = model(model.prepare(test.load())).logits.argmax(1) == labels

    def known(*classes: int) -> object:
        rate = 100 * right[torch.isin(labels, torch.tensor(classes))].float().mean().item()
        assert rate > 80
        return pytest.approx(rate, abs=0.01)

    first, second = run.metrics.requests
    assert (first.acc_f.before, first.acc_r.before) == (known(0), known(1, 2, 3, 4, 5))
    assert (second.acc_f.before, second.acc_r.before) == (known(1, 2), known(3, 4, 5))
    assert (second.acc_o.before, second.acc_m.before) == (known(0), known(3))
    # The head mask starts from the same model: it has all to lose, too.
    assert min(second.h, second.head_mask.h) > 80


def test_weights_alone_are_those_of_the_edits_without_their_strokes(run, toy_model_folder, toy_data_folder) -> None:
    """Independent: the edits without their strokes on a fresh model, whose head they then leave alone."""
    model, test = expunge.load_model(toy_model_folder), run.data.test
    stack, labels = EditStack(model), torch.tensor(test.labels)
    for edit, request in zip(run.edits, run.metrics.requests, strict=True):
        assert request.weights_alone is not None
        stack.push(replace(edit, masked=()))
        with torch.no_grad():
            right = model(model.prepare(test.load())).logits.argmax(1) == labels
        forget = torch.isin(labels, torch.tensor([model.classes.index(name) for name in request.classes]))
        assert request.weights_alone.acc_f.after == pytest.approx(100 * right[forget].float().mean().item(), abs=0.01)
        assert request.weights_alone.acc_f.before == request.acc_f.before


def test_a_mask_alone_leaves_everything_in_the_weights(toy_model_folder, toy_data_folder) -> None:
    masked = expunge.forget(toy_model_folder, toy_data_folder, [["amber"], ["blue"]], method=HeadMask())
    for request in masked.metrics.requests:
        assert request.acc_f.after == 0
        assert request.weights_alone is not None
        assert request.weights_alone.acc_f.after == request.acc_f.before
        assert request.weights_alone.h == 0
    second = masked.metrics.requests[1]
    assert second.weights_alone is not None
    assert second.weights_alone.acc_o is not None
    assert second.acc_o is not None
    assert second.weights_alone.acc_o.after == second.acc_o.before


def test_no_run_gives_a_method_a_test_image(toy_model_folder, toy_data_folder) -> None:
    given = []

    class Spy(HeadMask):
        def forget(self, context, task):
            given.append(task)
            return super().forget(context, task)

    data = expunge.forget(toy_model_folder, toy_data_folder, [["amber"], ["blue"]], method=Spy()).data
    test = {sample.name for sample in data.test.samples}
    assert [len(task.validation) for task in given] == [12, 10]  # two a class, of what is not forgotten yet
    seen = {s.name for task in given for part in (task.forget, task.retain, task.validation) for s in part.samples}
    assert not test & seen


def test_undoing_all_requests_gives_the_original_bit_for_bit(run, toy_model_folder) -> None:
    edits = run.edits
    stack = EditStack(expunge.load_model(toy_model_folder))
    assert stack.model.digest() == run.metrics.model.sha256
    for edit in edits:
        stack.push(edit)
    assert stack.model.digest() == run.model.digest() != run.metrics.model.sha256
    stack.undo(0)
    stack.undo(0)
    assert stack.model.digest() == run.metrics.model.sha256


def test_by_default_it_is_the_closed_form(toy_model_folder, toy_data_folder) -> None:
    found = expunge.forget(toy_model_folder, toy_data_folder, [["amber"]])
    assert found.metrics.method == "closed-form++"
    assert found.metrics.requests[0].acc_f.after == 0
    assert found.metrics.requests[0].groups.kept == 2


def test_the_closed_form_resumes_to_the_same_bytes(toy_model_folder, toy_data_folder, tmp_path) -> None:
    requests = [["amber"], ["blue"], ["coral"]]
    whole, broken = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "broken")
    for folder, upto in ((whole, 3), (broken, 1), (broken, 3)):
        if not folder.path.exists():
            folder.create({})
        expunge.forget(toy_model_folder, toy_data_folder, requests[:upto], folder=folder)
    for number in (1, 2, 3):
        name = f"edits/{number:04d}/adapter_model.safetensors"
        assert (whole.path / name).read_bytes() == (broken.path / name).read_bytes()


def test_report_names_what_was_forgotten(run) -> None:
    html = run.report_html(title="A test")
    assert "A test" in html
    assert all(name in html for name in ("amber", "blue", "coral"))


class TestAvailable:
    @pytest.fixture
    def splits(self, toy_data_folder):
        return load_folder(toy_data_folder)

    @pytest.fixture
    def seen(self, splits):
        def make(requests, missing=(), shots=None, replay=1.0):
            plan = make_plan(splits.classes, requests, missing)
            return available(find_task("classification"), splits, plan, Budget(shots=shots, replay=replay), seed=0)

        return make

    def test_shots_hold_for_every_class_and_missing_have_none(self, seen) -> None:
        found = seen([["amber"]], ["dune"], shots=3)
        assert found.forget.counts() == found.replay.counts() == (3, 3, 3, 0, 3, 3)
        assert found.validation.counts()[3] == 0

    def test_replay_thins_out_what_stays_and_leaves_what_goes(self, seen) -> None:
        found = seen([["amber"], ["fern"]], replay=0.25)
        assert found.forget.counts() == (8,) * 6
        assert found.replay.counts() == (2,) * 6
        assert {s.name for s in found.replay.samples} < {s.name for s in found.forget.samples}

    def test_no_test_image_is_ever_seen(self, seen, splits) -> None:
        found = seen([["amber"]])
        names = {sample.name for part in (found.forget, found.replay, found.validation) for sample in part.samples}
        assert not names & {sample.name for sample in splits.test.samples}

    def test_more_shots_than_images(self, seen) -> None:
        with pytest.raises(TooFewImagesError, match="9"):
            seen([["amber"]], shots=9)


class TestRunFolder:
    def test_takes_an_empty_folder_and_refuses_a_full_one(self, tmp_path) -> None:
        RunFolder(tmp_path).create({"seed": 0})
        with pytest.raises(OutputError, match="not an empty folder"):
            RunFolder(tmp_path).create({"seed": 0})

    def test_refuses_what_is_no_folder_or_cannot_be_made(self, tmp_path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(OutputError, match="not an empty folder"):
            RunFolder(tmp_path / "file").create({})
        with pytest.raises(OutputError, match="cannot write to"):
            RunFolder(tmp_path / "file" / "below").create({})

    def test_resume_wants_the_same_settings(self, tmp_path) -> None:
        RunFolder(tmp_path).create({"seed": 0, "requests": [("a",)]})
        RunFolder(tmp_path).reopen({"seed": 0, "requests": [("a",)]})
        with pytest.raises(ResumeError, match="seed = 0, now asked: 1"):
            RunFolder(tmp_path).reopen({"seed": 1, "requests": [("a",)]})

    def test_nothing_to_resume(self, tmp_path) -> None:
        with pytest.raises(ResumeError, match="no run to resume"):
            RunFolder(tmp_path).reopen({})

    def test_finished_requests_come_back(self, run, tmp_path) -> None:
        folder = RunFolder(tmp_path / "out")
        folder.create({})
        for number, edit in enumerate(run.edits, start=1):
            part = run.metrics.model_copy(update={"requests": run.metrics.requests[:number]})
            folder.add(edit, part)
        assert folder.metrics() == run.metrics
        found = folder.edits(2)
        assert [list(edit.deltas) for edit in found] == [list(edit.deltas) for edit in run.edits]
        assert json.loads((tmp_path / "out/metrics.json").read_text())["schema"] == "expunge/metrics/v1"

    def test_nothing_is_left_of_a_run_without_a_finished_request(self, tmp_path) -> None:
        folder = RunFolder(tmp_path / "out")
        folder.create({})
        folder.discard_if_empty()
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
    def test_a_write_that_fails_leaves_what_was_there(self, tmp_path, error) -> None:
        folder = RunFolder(tmp_path)
        folder.create({})

        def succeed(target) -> None:
            (target / "weights").write_text("old")

        folder.write_model(succeed)

        def fail(target) -> None:
            (target / "weights").write_text("half")
            raise error

        with pytest.raises(OutputError if isinstance(error, OSError) else KeyboardInterrupt):
            folder.write_model(fail)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "run.json"]
        assert (tmp_path / "model/weights").read_text() == "old"

    def test_a_run_is_not_resumed_on_another_model(self, run, toy_model_folder, toy_data_folder, tmp_path) -> None:
        folder = RunFolder(tmp_path)
        folder.create({})
        folder.add(run.edits[0], run.metrics.model_copy(update={"requests": run.metrics.requests[:1]}))
        model = expunge.load_model(toy_model_folder)
        model.linear(model.blocks[0].linears[0]).weight[0, 0] += 1
        with pytest.raises(ResumeError, match=run.metrics.model.sha256):
            expunge.forget(model, toy_data_folder, [["amber"]], method="head-mask", folder=folder)


def test_the_old_name_of_replay_still_counts_and_warns(toy_model_folder, toy_data_folder) -> None:
    def retained(**settings: Any) -> int:
        run = expunge.forget(toy_model_folder, toy_data_folder, [["amber"]], method=HeadMask(), **settings)
        return run.metrics.requests[0].images.retain

    with pytest.warns(DeprecationWarning, match="`replay_fraction` is called `replay` now"):
        found = retained(replay_fraction=0.5)
    assert found == retained(replay=0.5) == retained() // 2
