"""Rooms know each other by their public faces: no import goes behind one, and what is behind bears an underscore."""

import ast
import re
from collections.abc import Iterable, Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest

import expunge

ROOT = Path(expunge.__file__).parent
LAZY = re.compile(r'"(expunge\.[a-z_.]+)"')
"""Modules that a face imports from when they are asked for."""


def is_package(name: str) -> bool:
    return (ROOT.parent / name.replace(".", "/") / "__init__.py").is_file()


def is_module(package: str, name: str) -> bool:
    """Whether a package has a module of that name, and its face nothing else that is called so."""
    folder = ROOT.parent / package.replace(".", "/")
    return (folder / f"{name}.py").is_file() and f'"{name}"' not in (folder / "__init__.py").read_text("utf-8")


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{a.name}" for a in node.names if is_module(node.module, a.name))
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def behind(path: Path) -> list[str]:
    """Modules of other rooms that a file imports from, which are no face of theirs."""
    own = path.relative_to(ROOT).parts[0]
    parts = [name.split(".") for name in imports_of(path) if name.startswith("expunge.")]
    others = [".".join(names) for names in parts if names[1] != own and is_package(f"expunge.{names[1]}")]
    return [name for name in others if not is_package(name)]


def test_a_file_that_goes_behind_a_face_is_found(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "cli").mkdir()
    file = tmp_path / "cli" / "some.py"
    file.write_text("from expunge.data import Images\nfrom expunge.data.images import Sample\nimport expunge.errors\n")
    monkeypatch.setitem(behind.__globals__, "ROOT", tmp_path)
    monkeypatch.setitem(behind.__globals__, "is_package", lambda name: name == "expunge.data")
    assert behind(file) == ["expunge.data.images"]


def test_no_room_goes_behind_the_face_of_another() -> None:
    found = {str(path.relative_to(ROOT)): behind(path) for path in sorted(ROOT.rglob("*.py"))}
    assert len(found) > 400
    assert {path: names for path, names in found.items() if names} == {}


def is_public(path: Path, faces: Iterable[str], named: Iterable[str]) -> bool:
    """Whether a module of a room is one that a face imports from, that an entry point names, or that is run."""
    name = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
    return name in {*faces, *named} or '__name__ == "__main__"' in path.read_text(encoding="utf-8")


def test_modules_that_no_face_shows_bear_an_underscore() -> None:
    faces = {
        name for path in ROOT.rglob("__init__.py") for name in (*imports_of(path), *LAZY.findall(path.read_text()))
    }
    named = {point.module for point in distribution("expunge").entry_points if point.module.startswith("expunge.")}
    modules = [path for path in sorted(ROOT.glob("*/**/*.py")) if path.name != "__init__.py"]
    bare = [path for path in modules if not path.name.startswith("_")]
    assert len(modules) - len(bare) > 150
    assert [str(path.relative_to(ROOT)) for path in bare if not is_public(path, faces, named)] == []


def test_names_of_version_0_1_warn_and_are_todays() -> None:
    for former, name in vars(expunge)["_FORMER"].items():
        with pytest.warns(DeprecationWarning, match=f"expunge.{former} is called expunge.{name} now"):
            assert getattr(expunge, former) is getattr(expunge, name)
