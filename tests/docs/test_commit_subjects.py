"""The hook that holds the rule on subjects of commits."""

import subprocess
from pathlib import Path

import pytest

HOOK = Path(__file__).parents[2] / ".githooks" / "commit-msg"


def refusal(tmp_path: Path, message: str) -> str | None:
    """What the hook says against a message; None where it lets it pass."""
    file = tmp_path / "COMMIT_EDITMSG"
    file.write_text(message, encoding="utf-8")
    done = subprocess.run([HOOK, file], capture_output=True, text=True)
    assert (done.returncode == 0) == (not done.stderr)
    return done.stderr or None


@pytest.mark.parametrize(
    "message",
    [
        "x" * 72 + "\n",
        "–" * 72 + "\n",  # characters count, not bytes
        "Say why\n\nThe body may be as long as it likes. " + "x" * 200,
        "\n# git's own comment\nSay why\n# another\n\nBody",
        "Merge branch " + "x" * 80,
        'Revert "' + "x" * 72 + '"',
    ],
)
def test_what_passes(tmp_path, message) -> None:
    assert refusal(tmp_path, message) is None


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("x" * 73, "at most 72 characters, got 73"),
        ("–" * 73, "at most 72 characters, got 73"),
        ("Say why.", "without a full stop"),
        ("Say why\nand more", "an empty line after the subject"),
    ],
)
def test_what_is_refused_and_why(tmp_path, message, why) -> None:
    assert why in (refusal(tmp_path, message) or "")
