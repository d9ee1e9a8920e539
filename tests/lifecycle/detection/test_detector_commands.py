"""The whole way of a detector on the command line, in this process."""

import json
from pathlib import Path

import pytest

from expunge.cli.app import run
from expunge.vision.detection import load_detector
from tests.lifecycle.conftest import LENIENT
from tests.lifecycle.detection.conftest import STRICT


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Runs a command and returns its exit code and what it printed."""
    monkeypatch.setenv("EXPUNGE_ACTOR", "jane")
    monkeypatch.chdir(tmp_path)

    def go(*arguments: object) -> tuple[int, str]:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return go


@pytest.fixture
def begin(call, tmp_path, monkeypatch, detector_folder):
    """Makes a workspace under a policy, goes into it and submits a request."""

    def start(policy: str) -> str:
        (tmp_path / "rules.toml").write_text(policy)
        code, text = call("init", "erasures", "--model", detector_folder, "--policy", "rules.toml")
        assert code == 0, text
        monkeypatch.chdir(tmp_path / "erasures")
        code, text = call("submit", "--target", "bee", "--json")
        assert code == 0, text
        return json.loads(call("list", "--json")[1])[0]["id"]

    return start


def test_from_init_to_a_verified_certificate_and_a_rollback(call, begin, detector_folder, scenes_folder) -> None:
    request = begin(LENIENT)
    assert json.loads(Path("workspace.json").read_text())["model"]["task"] == "detection"
    call("approve", request)
    code, text = call("run", "--once", "--data", scenes_folder, "--method", "head-mask")
    assert (code, f"{request}: approved, verdict erased" in text) == (0, True), text
    code, text = call("release", request)
    assert code == 0, text
    assert "it brought no images" in text

    assert call("certificate", request, "--out", "c.json", "--html", "c.html")[0] == 0
    code, text = call("verify", "c.json", "--key", "keys/ledger.pub", "--model", "releases/0002/model")
    assert (code, "model-after" in text, "verified" in text) == (0, True, True)
    assert "AP50_f" in Path("c.html").read_text()
    assert call("log", "verify", "--key", "keys/ledger.pub")[0] == 0
    code, text = call("serve-check", "releases", "releases/0001", "--data", scenes_folder / "test")
    assert (code, "compares classifiers" in text) == (2, True), text
    code, text = call("report", "--html", "report.html")
    assert (code, "AP50" in Path("report.html").read_text()) == (0, True)

    code, text = call("rollback", request, "--why", "withdrawn")
    assert code == 0, text
    original = load_detector(detector_folder).digest()
    assert original in text
    assert load_detector(Path("releases/0001/model")).digest() == original
    assert call("verify", "c.json", "--key", "keys/ledger.pub")[0] == 0
    assert call("status", "--check")[0] == 0


def test_what_the_policy_refuses_is_left_to_a_person(call, begin, scenes_folder) -> None:
    request = begin(STRICT)
    call("approve", request)
    code, text = call("run", "--data", scenes_folder, "--method", "head-mask")
    assert (code, f"{request}: measured, verdict not erased" in text) == (3, True), text
    assert "prototype_relearning_1" in text
    assert call("release", request)[0] == 2
    assert call("reject", request, "--why", "the queries still know it")[0] == 0


def test_bad_input(call, begin, tmp_path, detector_folder, scenes_folder, toy_data_folder) -> None:
    request = begin(LENIENT)
    code, text = call("submit", "--target", "bee", "--images", scenes_folder / "train")
    assert (code, "pictures alone do not say" in text) == (2, True)
    assert call("submit", "--target", "wasp")[0] == 2
    call("approve", request)
    code, text = call("run", "--data", scenes_folder, "--method", "scrub")
    assert (code, "method 'scrub' is for image classifiers and embedders; for object detectors there are" in text) == (
        2,
        True,
    ), text
    code, text = call("run", "--data", toy_data_folder, "--method", "head-mask")
    assert (code, text.count("failed:"), "annotations/instances_train.json" in text) == (3, 1, True), text
    code, text = call("init", tmp_path / "other", "--model", detector_folder, "--memory", tmp_path)
    assert (code, "no statistics are kept of an object detector" in text) == (2, True), text
    assert not (tmp_path / "other").exists()
