"""What strangers read before they join: one version everywhere, classifiers that the tests stand behind."""

import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_version_is_the_same_everywhere() -> None:
    version = PROJECT["version"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == version
    sections = [line for line in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines() if line[:3] == "## "]
    assert sections[:2] == ["## Unreleased", f"## {version}"]


def test_systems_and_versions_that_are_named_are_tested() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    named = [line.rpartition(" :: ")[2] for line in PROJECT["classifiers"]]
    pythons = sorted(name for name in named if name.startswith("3."))
    for job in ("whole", "light"):
        tested = jobs[job]["strategy"]["matrix"]["python"]
        assert (tested[0], tested[-1]) == (pythons[0], pythons[-1])
    assert f">={pythons[0]}" == PROJECT["requires-python"]
    assert ("Linux" in named, "MacOS" in named) == (True, "macos-latest" in jobs["light"]["strategy"]["matrix"]["os"])


def test_the_workflow_runs_what_there_is() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    steps = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert ".ci/run" in steps
    for name in ("constraints.txt", "requirements/light.txt", "tests/light.txt"):
        assert any(name in step for step in steps)
        assert (ROOT / name).is_file()
    listed = (ROOT / "tests/light.txt").read_text(encoding="utf-8").split()
    assert all((ROOT / path).exists() for path in listed)
