"""The commands and the Python of docs/how-to/onnx.md run, on the small ViT of the tests as an ONNX file."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from expunge.cli.app import run
from expunge.vision.onnx._operators import OPERATORS

PAGE = (Path(__file__).parents[2] / "docs/how-to/onnx.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_page_runs(toy_onnx: Path, toy_data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(toy_onnx, tmp_path / "here")
    (tmp_path / "here" / "images").symlink_to(toy_data_folder)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("EXPUNGE_ACTOR", "jane")
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.S)
    codes = [run(shlex.split(line.replace("beagle", "amber"))[1:]) for block in blocks for line in block.splitlines()]
    assert codes == [0, 0, 3, 0, 0]  # without strangers, a scorecard decides nothing
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    subprocess.run([sys.executable, "-c", code.replace("beagle", "amber")], check=True)
    size = (toy_onnx / "model.onnx").stat().st_size
    assert Path("edited/model.onnx").stat().st_size == Path("run/model/model.onnx").stat().st_size == size


def test_the_number_of_operators() -> None:
    assert "a hundred" in PAGE
    assert 95 <= len(OPERATORS) <= 105
