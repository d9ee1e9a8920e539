"""`expunge bench speed`, as a user runs it."""

import pytest

from expunge.bench.speed.results import Speed
from expunge.bench.speed.table import as_markdown
from expunge.cli.app import run


def test_a_quick_run_writes_both_files(tmp_path, capsys) -> None:
    out = tmp_path / "speed"
    arguments = ["--quick", "--methods", "damp,gs-lora,oracle", "--images", "2,1", "--out", str(out)]
    assert run(["bench", "speed", *arguments]) == 0
    assert capsys.readouterr().out.split() == [str(out / "speed.json"), str(out / "speed.md")]
    result = Speed.parse((out / "speed.json").read_text(encoding="utf-8"))
    assert (out / "speed.md").read_text(encoding="utf-8") == as_markdown(result)
    assert result.command == "expunge bench speed --images 2,1 --methods damp,gs-lora,oracle --quick --out DIR"
    assert result.reference == "damp"
    assert [(one.images, one.method) for one in result.timings] == [
        (1, "damp"),
        (1, "gs-lora"),
        (2, "damp"),
        (2, "gs-lora"),
    ]
    assert [one.method for one in result.skipped] == ["oracle"]
    assert [model.name for model in result.models] == ["vit-tiny"]
    assert len(result.growth) == 4
    assert result.machine.threads == 1
    assert sorted(path.name for path in out.iterdir()) == ["speed.json", "speed.md"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "nope"], "no model 'nope' to time"),
        (["--models", "vit-tiny,"], "--models takes names separated by commas"),
        (["--methods", "nope"], "unknown method 'nope'"),
        (["--methods", "damp,damp"], "method 'damp' is named twice"),
        (["--methods", "oracle"], "expected a method beside the oracle"),
        (["--images", "some"], "--images takes whole numbers, got 'some'"),
        (["--images", "0"], "at least 1 image a class, got 0"),
        (["--device", "nope"], "Expected a device"),
    ],
)
def test_unusable_input_is_refused_at_once(arguments, message, tmp_path, capsys) -> None:
    usual = [] if "--methods" in arguments else ["--methods", "damp"]
    assert run(["bench", "speed", "--quick", *usual, *arguments, "--out", str(tmp_path)]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_is_refused_before_anything_is_measured(tmp_path, capsys) -> None:
    (tmp_path / "file").write_text("")
    assert run(["bench", "speed", "--quick", "--methods", "damp", "--out", str(tmp_path / "file")]) == 2
    assert "cannot write to" in " ".join(capsys.readouterr().err.split())


def test_the_help_has_an_example(capsys) -> None:
    assert run(["bench", "speed", "--help"]) == 0
    assert "Example: expunge bench speed" in " ".join(capsys.readouterr().out.split())
