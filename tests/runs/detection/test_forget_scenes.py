"""Detectors under requests, end to end: from two folders to figures, edits, model and report."""

import json
from pathlib import Path

import pytest
import torch

from expunge.adapters import EditStack
from expunge.cli.app import run
from expunge.errors import ClassMismatchError, EmptyClassError, ResumeError
from expunge.methods import HeadMask, make_method
from expunge.runs import ForgetRun, RunFolder, Stage, forget, load, read
from expunge.vision.detection import DetectionModel
from expunge.vision.detection.scene_states import SceneCache, look

QUICK = ("--method", "gs-lora", "--set", "max_steps=2", "--set", "last_blocks=1")


def detector(folder: Path) -> DetectionModel:
    model = load(folder, device="cpu")
    assert isinstance(model, DetectionModel)
    return model


@pytest.fixture(scope="module")
def finished(detector_folder: Path, scenes_folder: Path) -> ForgetRun:
    """Ant, then bee, by the head mask."""
    return forget(detector_folder, scenes_folder, [["ant"], ["bee"]], method=HeadMask())


def test_a_struck_class_is_found_no_more_and_the_others_as_before(finished: ForgetRun) -> None:
    first, second = finished.metrics.requests
    assert finished.metrics.task == "detection"
    assert finished.metrics.unit == "AP50"
    assert min(first.acc_f.before, second.acc_f.before) > 20  # true boxes are those that the detector is surest of
    assert (first.acc_f.after, second.acc_f.after) == (0, 0)
    assert second.acc_o is not None
    assert second.acc_o.after == 0
    assert (first.acc_r.after, second.acc_r.after) == (first.acc_r.before, second.acc_r.before)
    assert (first.h, first.acc_r.after) == (first.head_mask.h, first.head_mask.acc_r)


def test_it_counts_scenes_and_objects(finished: ForgetRun) -> None:
    assert [(r.images.forget, r.images.retain) for r in finished.metrics.requests] == [(4, 5), (4, 5)]
    assert [(r.acc_f.n, r.acc_r.n) for r in finished.metrics.requests] == [(4, 8), (4, 4)]
    assert finished.metrics.baseline.n == 12


def test_the_views_are_those_of_the_model_itself(finished: ForgetRun) -> None:
    whole = look(SceneCache(finished.model, batch_size=1), finished.data.test)
    torch.testing.assert_close(whole.logits, finished.seen[-1].logits, rtol=1e-4, atol=1e-4)
    assert whole.objects.scenes.tolist() == finished.seen[-1].objects.scenes.tolist()
    assert whole.sizes == finished.seen[-1].sizes


def test_undoing_all_requests_gives_the_original(detector_folder: Path, finished: ForgetRun) -> None:
    stack = EditStack(detector(detector_folder))
    for edit in finished.edits:
        stack.push(edit)
    assert stack.model.digest() == finished.model.digest() != finished.metrics.model.sha256
    stack.undo(0)
    stack.undo(0)
    assert stack.model.digest() == finished.metrics.model.sha256


def test_the_command_fills_its_folder(detector_folder: Path, scenes_folder: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    arguments = ["forget", str(detector_folder), "--data", str(scenes_folder), "--out", str(out)]
    assert run([*arguments, "--request", "ant", *QUICK]) == 0
    shown = capsys.readouterr()
    assert "AP50" in shown.out
    assert "images without any box, kept: 1" in " ".join(shown.err.split())
    written = json.loads((out / "metrics.json").read_text())
    assert list(written)[:3] == ["schema", "task", "unit"]
    assert (written["task"], written["unit"]) == ("detection", "AP50")
    assert written["requests"][0]["groups"] == {"total": 4, "kept": 1}
    assert sorted(path.name for path in out.iterdir()) == ["edits", "metrics.json", "model", "report.html", "run.json"]
    merged = detector(out / "model")
    assert merged.digest() != written["model"]["sha256"]
    stack = EditStack(detector(detector_folder))
    for edit in RunFolder(out).edits(1):
        stack.push(edit)
    assert stack.model.digest() == merged.digest()


def test_a_run_that_was_cut_off_goes_on(detector_folder: Path, scenes_folder: Path, tmp_path: Path) -> None:
    def until(cut: int | None):
        def report(stage: Stage) -> None:
            if cut is not None and stage.name.startswith(f"request {cut}"):
                raise KeyboardInterrupt

        return report

    method, requests = (
        make_method("gs-lora", task="detection", settings={"max_steps": 2, "last_blocks": 1}),
        [["ant"], ["bee"]],
    )
    whole, broken = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "broken")
    for folder in (whole, broken):
        folder.create({})
    forget(detector_folder, scenes_folder, requests, method=method, folder=whole)
    with pytest.raises(KeyboardInterrupt):
        forget(detector_folder, scenes_folder, requests, method=method, folder=broken, report=until(2))
    cut = broken.metrics()
    assert cut is not None
    assert len(cut.requests) == 1
    found = forget(detector_folder, scenes_folder, requests, method=method, folder=broken)
    for number in (1, 2):
        name = f"edits/{number:04d}/adapter_model.safetensors"
        assert (whole.path / name).read_bytes() == (broken.path / name).read_bytes()
    assert len(found.seen) == 3
    assert [r.acc_f for r in found.metrics.requests] == [r.acc_f for r in (whole.metrics() or found.metrics).requests]


def test_it_does_not_go_on_with_another_detector(
    detector_folder: Path, scenes_folder: Path, finished: ForgetRun, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create({})
    forget(detector_folder, scenes_folder, [["ant"]], method=HeadMask(), folder=folder)
    finished.model.save(tmp_path / "other")
    with pytest.raises(ResumeError, match="sha256"):
        forget(tmp_path / "other", scenes_folder, [["ant"]], method=HeadMask(), folder=folder)


def test_scenes_of_a_missing_class_are_not_learned_from(detector_folder: Path, scenes_folder: Path) -> None:
    with pytest.raises(EmptyClassError, match="beside those of missing classes"):
        forget(detector_folder, scenes_folder, [["ant"]], method=HeadMask(), missing=["cat"])


def test_a_classifier_is_refused(toy_model_folder: Path, scenes_folder: Path) -> None:
    with pytest.raises(ClassMismatchError, match="the model does not know 3 of the data's 3 classes"):
        forget(toy_model_folder, read(scenes_folder), [["ant"]], method=HeadMask())
