"""Tries what `make dist` built as a stranger has it, and holds its version beside tag, changelog and citation."""

import os
import re
import subprocess
import sys
import venv
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

ROOT = Path(__file__).parents[1]
CERTIFICATE = ROOT / "tests" / "ledger" / "fixtures" / "certificate-v1.json"
TYPED = (
    "import importlib.resources as r, expunge; print(expunge.__version__, (r.files(expunge) / 'py.typed').is_file())"
)


class NotFitError(Exception):
    """What was built is not fit to be released."""


def main() -> int:
    """Checks the one wheel in dist/, and says what is wrong with it."""
    try:
        wheel = next((ROOT / "dist").glob("*.whl"))  # `make dist` empties the folder first
        version = wheel.name.split("-")[1]
        check_version(version)
        check_content(wheel)
        with TemporaryDirectory() as folder:
            check_use(wheel, version, Path(folder))
    except NotFitError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"{wheel.name}: fit to be released\n")
    return 0


def check_version(version: str) -> None:
    """The tag, if the commit has one, the changelog and the citation name the version."""
    found = subprocess.run(["git", "tag", "--points-at", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    tags = [tag for tag in found.stdout.split() if re.fullmatch(r"v\d.*", tag)]
    require(tags in ([], [f"v{version}"]), f"the commit is tagged {tags}, the package is {version}")
    for name, line in (("CHANGELOG.md", f"## {version}"), ("CITATION.cff", f"version: {version}")):
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        require(line in lines, f"{name} has no line {line!r}")


def check_content(wheel: Path) -> None:
    """The wheel holds the package, its marker for type checkers and the licence, nothing else."""
    with ZipFile(wheel) as archive:
        names = archive.namelist()
    require("expunge/py.typed" in names, "py.typed is not in the wheel")
    require(any(name.endswith("/licenses/LICENSE") for name in names), "the licence is not in the wheel")
    foreign = [name for name in names if not re.match(r"expunge(-[^/]*\.dist-info)?/", name) or "__pycache__" in name]
    require(not foreign, f"the wheel holds {foreign[:5]}")


def check_use(wheel: Path, version: str, folder: Path) -> None:
    """Installed alone, without extras: it knows its version, verifies a certificate, and says what models need."""
    venv.create(folder / "venv", with_pip=True)
    programs = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    python, expunge = str(programs / "python"), str(programs / "expunge")
    pip = [python, "-m", "pip", "--disable-pip-version-check"]
    run(folder, *pip, "install", "--quiet", "-c", str(ROOT / "constraints.txt"), str(wheel))
    run(folder, *pip, "check")
    require(run(folder, python, "-I", "-c", TYPED) == f"{version} True", "the installed package is not the one built")
    require(run(folder, expunge, "version") == version, "`expunge version` says something else")
    require("verify" in run(folder, expunge, "--help"), "`expunge --help` shows no commands")
    require("intact" in run(folder, expunge, "verify", str(CERTIFICATE)), "a certificate is not verified")
    require(
        "expunge[models]" in run(folder, expunge, "methods", code=2), "`expunge methods` does not say what it needs"
    )


def run(folder: Path, *command: str, code: int = 0) -> str:
    """What a command says, run where no source of ours lies."""
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=bare, capture_output=True, text=True)
    said = (done.stdout + done.stderr).strip()
    require(done.returncode == code, f"{' '.join(command)}: expected exit code {code}, got {done.returncode}\n{said}")
    return said


def require(holds: bool, otherwise: str) -> None:
    """Raises NotFitError unless something holds."""
    if not holds:
        raise NotFitError(otherwise)


if __name__ == "__main__":
    sys.exit(main())
