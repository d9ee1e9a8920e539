"""The suite of docs/how-to/add-a-suite.md, built from the page's own code blocks, is found and runs."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from expunge.bench.suite import Suite
from expunge.data import limited

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r'```\w+ title="([^"]+)"\n(.*?)```', re.S)


@pytest.fixture(scope="module")
def blocks() -> dict[str, str]:
    """File name -> text of the page's titled code blocks."""
    return dict(BLOCK.findall((ROOT / "docs/how-to/add-a-suite.md").read_text(encoding="utf-8")))


@pytest.fixture
def installed(blocks: dict[str, str], tmp_path: Path) -> Path:
    """A folder with what installing the page's package would leave there: the module, and its entry point."""
    project = tomllib.loads(blocks["pyproject.toml"])["project"]
    (point,) = project["entry-points"]["expunge.suites"].items()
    folder = tmp_path / "site"
    facts = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    facts.mkdir(parents=True)
    (folder / "digits_suite.py").write_text(blocks["digits_suite.py"], encoding="utf-8")
    (facts / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n", encoding="utf-8")
    (facts / "entry_points.txt").write_text(f"[expunge.suites]\n{point[0]} = {point[1]}\n", encoding="utf-8")
    return folder


def test_it_is_a_suite_with_a_model_and_a_training(blocks: dict[str, str]) -> None:
    page: dict[str, object] = {}
    exec(blocks["digits_suite.py"], page)
    make = page["suite"]
    assert callable(make)
    whole, quick = make(False), make(True)
    assert isinstance(whole, Suite)
    assert isinstance(quick, Suite)
    assert (whole.name, whole.requests) == (quick.name, quick.requests)
    few = limited(quick.load().train, 2, seed=0)
    trained = quick.train(few, 0, None)
    assert trained.classes == quick.base().classes
    assert trained.digest() != quick.train(few, 0, trained).digest()


@pytest.mark.slow
def test_it_runs(installed: Path, tmp_path: Path) -> None:
    asked = ["--quick", "--seeds", "1", "--methods", "original,head-mask", "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-m", "expunge", "bench", "run", "digits", *asked],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    cells = sorted(path.relative_to(tmp_path / "out/cells") for path in tmp_path.glob("out/cells/*/*/*/*.json"))
    assert [str(path) for path in cells] == [f"digits/replay-10/{row}/seed-0.json" for row in ("head-mask", "original")]
