"""Which code a cell says that it was made by."""

import subprocess
from pathlib import Path

import pytest

from expunge.bench import _machine as machine
from expunge.bench._machine import commit


@pytest.fixture
def tree(tmp_path: Path, monkeypatch) -> Path:
    """A checkout of one commit, which the package seems to run from."""
    here = tmp_path / "src" / "expunge" / "bench" / "machine.py"
    here.parent.mkdir(parents=True)
    for file in (here, tmp_path / "pyproject.toml", tmp_path / "README.md"):
        file.write_text("1")
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *arguments], cwd=tmp_path, check=True)
    monkeypatch.setattr(machine, "__file__", str(here))
    return tmp_path


def test_a_clean_tree_is_its_commit(tree) -> None:
    assert len(commit()) == 40
    (tree / "README.md").write_text("2")
    (tree / "notes.txt").write_text("")
    assert len(commit()) == 40, "they decide nothing"


@pytest.mark.parametrize("changed", ["pyproject.toml", "src/expunge/bench/machine.py", "src/expunge/new.py"])
def test_other_code_than_the_commits_is_dirty(tree, changed) -> None:
    clean = commit()
    (tree / changed).write_text("2")
    assert commit() == f"{clean}+dirty"


def test_no_checkout_has_no_commit(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(machine, "__file__", str(tmp_path / "machine.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert commit() == ""
