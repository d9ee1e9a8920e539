"""The tutorial does what it says, copied and pasted, in under ten minutes."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/tutorial/from-request-to-certificate.md"
MOST_SECONDS = 600


@pytest.mark.slow
def test_the_tutorial_runs_as_it_stands(tmp_path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    script = "set -e\n" + "".join(blocks).replace(". .venv/bin/activate\n", "")
    here = str(Path(sys.executable).parent)
    started = time.monotonic()
    done = subprocess.run(
        ["bash"],
        input=script,
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{here}{os.pathsep}{os.environ['PATH']}", "EXPUNGE_ACTOR": "jane"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - started < MOST_SECONDS
    for text in ("approved, verdict erased", "released, 5 images destroyed", "verified: signed by", "sound:"):
        assert text in done.stdout
    assert "This is the model as it was before the edit." in done.stdout
    assert "1 rolled_back" in done.stdout
