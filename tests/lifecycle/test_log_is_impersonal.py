"""The whole way of a request is in the log, step by step, and nothing personal is."""

import json
import re
from itertools import pairwise

import pytest

from expunge.cli.app import run
from expunge.logs import FIELDS, silence
from tests.lifecycle.conftest import LENIENT

SUBJECT, REASON, ACTOR = "Jürgen Müller K-4711", "he asked by phone", "ms-doe"


@pytest.fixture
def call(tmp_path, monkeypatch, capsys, toy_model_folder, photos):
    """Runs a command in a workspace, as a person with a name, and returns its exit code and the lines of its log."""
    monkeypatch.setenv("EXPUNGE_ACTOR", ACTOR)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.toml").write_text(LENIENT)
    assert run(["init", "juergens-place", "--model", str(toy_model_folder), "--policy", "rules.toml"]) == 0
    monkeypatch.chdir(tmp_path / "juergens-place")

    def go(*arguments: object, form: str = "json") -> tuple[int, list[str]]:
        capsys.readouterr()
        code = run(["--log-format", form, *map(str, arguments)])
        start = "{" if form == "json" else r"\d{4}-\d\d-\d\dT"
        return code, [line for line in capsys.readouterr().err.splitlines() if re.match(start, line)]

    yield go
    silence()


def test_from_submission_to_rollback(call, photos, toy_data_folder) -> None:
    told = ("--subject", SUBJECT, "--reason", REASON)
    code, lines = call("submit", "--target", "amber", "--images", photos("amber"), *told)
    assert code == 0
    request = json.loads(lines[0])["request"]
    for command in (
        ("approve", request, "--why", REASON),
        ("run", "--data", toy_data_folder, "--method", "head-mask"),
        ("release", request),
        ("rollback", request, "--why", REASON),
    ):
        code, more = call(*command)
        assert code == 0
        lines += more
    log = [json.loads(line) for line in lines]
    states = [entry["state"] for entry in log if entry["event"] == "state"]
    way = ["received", "accepted", "planned", "running", "measured", "approved", "released", "rolled_back"]
    assert states == way
    steps = [entry["step"] for entry in log if entry["event"] == "step"]
    for earlier, later in pairwise(["edit stored", "judged", "measured", "published", "recorded", "served", "watched"]):
        assert steps.index(earlier) < steps.index(later)
    (gone,) = (entry for entry in log if entry["event"] == "destruction")
    assert (gone["role"], gone["count"]) == ("forget-images", 10)
    assert {name for entry in log for name in entry} <= {"time", "level", "event", *FIELDS}
    text = "\n".join(lines)
    for secret in ("amber", "blue", "juergen", "rgen", "Müller", "4711", "phone", "doe", ".png", "/", "withheld"):
        assert secret not in text, secret


def test_a_failure_is_logged_by_its_class_alone(call, photos, tmp_path) -> None:
    _, lines = call("submit", "--target", "amber", "--images", photos("amber"))
    request = json.loads(lines[0])["request"]
    call("approve", request)
    code, lines = call("run", "--data", tmp_path / "photos-of-amber", form="text")
    assert code == 3
    (failed,) = (line for line in lines if " WARNING " in line)
    assert re.search(rf" WARNING failed request={request} error=[A-Za-z]+Error$", failed)
    assert "amber" not in "\n".join(lines)


@pytest.mark.parametrize("options", [(), ("--log-format", "json"), ("--log-level", "error")])
def test_watching_logs_by_itself(call, photos, toy_data_folder, monkeypatch, capsys, options) -> None:
    _, lines = call("submit", "--target", "amber", "--images", photos("amber"))
    call("approve", json.loads(lines[0])["request"])

    def enough(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("expunge.cli._run.time.sleep", enough)
    capsys.readouterr()
    watching = ["run", "--watch", "--data", str(toy_data_folder), "--method", "head-mask"]
    assert run([*options, *watching]) == 130
    text = capsys.readouterr().err
    expected = {(): "INFO step step=judged", ("--log-format", "json"): '"event": "step", "step": "judged"'}
    assert expected.get(options, "") in text
    assert ("judged" in text) == ("error" not in options)
    assert run(["list"]) == 0
    assert not capsys.readouterr().err  # no other command logs by itself
