"""The commands as a user runs them, in this process."""

import json
from pathlib import Path

import pytest

from expunge.cli.app import run

DEPTH = ("--depth", "fast")


@pytest.fixture(scope="module")
def finished(toy_model_folder, toy_data_folder, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("cli") / "out"
    arguments = ["--request", "amber", "--request", "blue,coral", "--missing", "dune", "--shots", "6"]
    assert run(forget(toy_model_folder, toy_data_folder, out, *arguments, *DEPTH)) == 0
    return out


def forget(model: Path | str, data: Path | str, out: Path, *more: str) -> list[str]:
    return ["forget", str(model), "--data", str(data), "--out", str(out), *more]


def test_forget_writes_what_it_promises(finished) -> None:
    assert sorted(path.name for path in finished.iterdir()) == [
        "edits",
        "metrics.json",
        "model",
        "report.html",
        "run.json",
    ]
    assert sorted(path.name for path in (finished / "edits").iterdir()) == ["0001", "0002"]
    assert "amber" in (finished / "report.html").read_text()


def test_metrics_follow_the_contract(finished) -> None:
    metrics = json.loads((finished / "metrics.json").read_text())
    assert list(metrics) == ["schema", "model", "method", "seed", "baseline", "requests"]
    assert metrics["schema"] == "expunge/metrics/v1"
    assert list(metrics["model"]) == ["name", "sha256", "classes"]
    first, second = metrics["requests"]
    for key in (
        "classes",
        "images",
        "seconds",
        "acc_f",
        "acc_r",
        "acc_o",
        "acc_m",
        "h",
        "head_mask",
        "groups",
        "parameters",
        "bytes",
    ):
        assert key in first
    assert first["images"] == {"forget": 6, "retain": 24}
    assert first["acc_o"] is None
    assert second["acc_o"]["n"] == 6
    assert second["groups"] == {"total": 3, "kept": 1}
    assert set(second["acc_f"]) == {"before", "after", "n", "ci95"}
    assert second["head_mask"]["acc_f"] == 0.0


def test_auto_is_noted_by_its_real_name(finished) -> None:
    assert json.loads((finished / "metrics.json").read_text())["method"] == "closed-form++"
    noted = json.loads((finished / "run.json").read_text())
    assert (noted["method"], noted["settings"]) == ("closed-form++", {"depth": "fast"})


def test_a_run_of_auto_goes_on_under_its_real_name(finished, toy_model_folder, toy_data_folder, capsys) -> None:
    before = (finished / "metrics.json").read_bytes()
    arguments = ["--request", "amber", "--request", "blue,coral", "--missing", "dune", "--shots", "6", "--resume"]
    again = forget(toy_model_folder, toy_data_folder, finished, *arguments)
    assert run([*again, "--set", "depth=fast", "--method", "closed-form++"]) == 0
    assert (finished / "metrics.json").read_bytes() == before
    assert run([*again, *DEPTH, "--method", "head-mask"]) == 2
    assert run([*again, "--method", "gs-lora++"]) == 2
    assert "method = 'closed-form++', now asked: 'gs-lora++'" in " ".join(capsys.readouterr().err.split())


def test_another_method_with_settings_of_its_own(toy_model_folder, toy_data_folder, tmp_path) -> None:
    settings = ("--method", "gs-lora++", "--set", "epochs=1", "--set", "max_steps=2", "--set", "last_blocks=2")
    assert run(forget(toy_model_folder, toy_data_folder, tmp_path / "out", "--request", "amber", *settings)) == 0
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["method"] == "gs-lora++"


def test_the_merged_model_loads_with_plain_transformers(finished, toy_data_folder) -> None:
    from PIL import Image
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    model = AutoModelForImageClassification.from_pretrained(finished / "model")
    processor = AutoImageProcessor.from_pretrained(finished / "model")
    metrics = json.loads((finished / "metrics.json").read_text())
    right, n = 0, 0
    for name in ("dune", "elm", "fern"):
        for path in sorted((toy_data_folder / "test" / name).iterdir()):
            pixels = processor(images=[Image.open(path)], return_tensors="pt")["pixel_values"]
            right += model.config.id2label[int(model(pixels).logits.argmax())] == name
            n += 1
    assert metrics["requests"][1]["acc_r"]["after"] == pytest.approx(100 * right / n, abs=0.01)


def test_a_finished_run_can_be_resumed_without_doing_anything_twice(
    finished, toy_model_folder, toy_data_folder
) -> None:
    before = (finished / "metrics.json").read_bytes()
    arguments = ["--request", "amber", "--request", "blue,coral", "--missing", "dune", "--shots", "6", "--resume"]
    assert run(forget(toy_model_folder, toy_data_folder, finished, *arguments, *DEPTH)) == 0
    assert (finished / "metrics.json").read_bytes() == before


def test_inspect_shows_blocks_and_head(toy_model_folder, capsys) -> None:
    assert run(["inspect", str(toy_model_folder)]) == 0
    said = capsys.readouterr().out
    assert "3 blocks" in said
    assert "48 → 96" in said
    assert "6 classes" in said


def test_methods_lists_ours(capsys) -> None:
    assert run(["methods"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("gs-lora++", "gs-lora", "head-mask"))
    assert said.count("(auto)") == 1
    assert "closed-form++ (auto)" in said


def test_version(capsys) -> None:
    import expunge

    assert run(["version"]) == 0
    assert capsys.readouterr().out.strip() == expunge.__version__


@pytest.mark.parametrize("command", ["demo", "forget", "inspect", "methods", "version"])
def test_every_help_has_an_example(command, capsys) -> None:
    assert run([command, "--help"]) == 0
    assert f"Example: expunge {command}" in " ".join(capsys.readouterr().out.split())


def test_a_fault_of_ours_says_so(monkeypatch, capsys) -> None:
    def broken() -> tuple[str, ...]:
        raise RuntimeError("a bug")

    monkeypatch.setattr("expunge.methods.method_names", broken)
    assert run(["methods"]) == 1
    said = capsys.readouterr().err
    assert "a bug" in said
    assert "fault in expunge" in said
