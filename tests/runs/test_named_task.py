"""A model that several tasks could take: every door says so, and how a task is named there."""

import json
from pathlib import Path

import pytest

import expunge
from expunge.cli.app import run
from expunge.errors import AmbiguousTaskError, TaskError
from expunge.tasks.embedding import Embedding

DOUBT = "can be taken for several tasks: classification, embedding; say which: "
COMMANDS = (
    ("inspect", "MODEL"),
    ("forget", "MODEL", "--data", "DATA", "--request", "amber", "--method", "head-mask", "--out", "OUT"),
    ("calibrate", "MODEL", "--data", "DATA", "--depth", "fast", "--out", "OUT"),
    ("init", "OUT", "--model", "MODEL"),
    ("serve-check", "MODEL", "MODEL", "--data", "DATA/test"),
    ("measure", "MODEL", "MODEL", "--data", "DATA", "--forgotten", "amber", "--measures", "forgetting", "--out", "OUT"),
)
CODES = {"measure": 3}
"""Exit codes of those that do their work; nothing was erased, so `measure` says so."""


@pytest.fixture(autouse=True)
def in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every directory looks like an embedder, too."""
    monkeypatch.setattr(Embedding, "recognises", lambda task, folder: True)


@pytest.fixture
def command(toy_model_folder: Path, toy_data_folder: Path, tmp_path: Path):
    """Fills in the folders of a command."""
    places = {"MODEL": str(toy_model_folder), "DATA": str(toy_data_folder), "OUT": str(tmp_path / "out")}

    def filled(word: str) -> str:
        first, *rest = word.split("/")
        return "/".join([places.get(first, first), *rest])

    return lambda words: list(map(filled, words))


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_every_command_asks_for_the_option_and_takes_it(words, command, tmp_path: Path, capsys) -> None:
    assert run(command(words)) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"{DOUBT}--task NAME" in said
    assert not (tmp_path / "out").exists()
    assert run([*command(words), "--task", "classification"]) == CODES.get(words[0], 0)


def test_python_asks_for_the_argument_and_takes_it(toy_model_folder: Path, toy_data_folder: Path) -> None:
    with pytest.raises(AmbiguousTaskError, match=f'{DOUBT}task="…"'):
        expunge.load(toy_model_folder)
    assert expunge.load(toy_model_folder, task="classification").task == "classification"
    with pytest.raises(TaskError, match="unknown task 'singing'; installed: classification, detection, embedding"):
        expunge.load(toy_model_folder, task="singing")
    done = expunge.forget(toy_model_folder, toy_data_folder, ["amber"], method="head-mask", task="classification")
    card = expunge.measure(
        toy_model_folder,
        done.model,
        toy_data_folder,
        forgotten=["amber"],
        measures=["forgetting"],
        task="classification",
    )
    assert card["acc_f"].value == 0.0


def test_the_name_is_noted_only_where_it_was_given(command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = command(COMMANDS[1])
    assert run([*words, "--task", "classification"]) == 0
    assert json.loads((tmp_path / "out/run.json").read_text())["task"] == "classification"
    monkeypatch.undo()
    assert run([*words[:-1], str(tmp_path / "plain")]) == 0
    assert "task" not in json.loads((tmp_path / "plain/run.json").read_text())
