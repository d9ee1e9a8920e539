"""What works where only the light part of the package is installed: no torch, no numpy, nothing that runs models."""

import subprocess
import sys
from pathlib import Path

import pytest

from expunge.cli.app import MODEL_PACKAGES

CERTIFICATE = Path(__file__).parents[1] / "ledger" / "fixtures" / "certificate-v1.json"

WITHOUT = f"""
import importlib.abc, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {MODEL_PACKAGES!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
from expunge.cli.app import run
sys.exit(run(sys.argv[1:]))
"""


def light(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", WITHOUT, *arguments], capture_output=True, text=True)


def test_a_certificate_is_verified() -> None:
    done = light("verify", str(CERTIFICATE))
    assert done.returncode == 0, done.stderr
    assert "intact" in done.stdout


def test_requests_are_listed(tmp_path) -> None:
    done = light("list", "--workspace", str(tmp_path))
    assert done.returncode == 2
    assert "pip install" not in done.stderr, "there is no workspace; that is all that is wrong"


@pytest.mark.parametrize("command", [["methods"], ["inspect", "zoo:faces"], ["bench", "list"]])
def test_commands_that_run_models_say_what_to_install(command) -> None:
    done = light(*command)
    assert done.returncode == 2
    assert 'pip install "expunge[models]"' in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["--help", "forget", "measure", "run"])
def test_help_needs_nothing(command) -> None:
    assert light(command, *([] if command == "--help" else ["--help"])).returncode == 0
