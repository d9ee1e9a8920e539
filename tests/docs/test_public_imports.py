"""What a doc page's code imports is public: a room's face, or a folder's inside it, and a name that it lists."""

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```\w.*?\n(.*?)^```", re.S | re.M)
FROM = re.compile(r"\bfrom (expunge[\w.]*) import (\([^)]*\)|[^\n;\"#]+)")
WHOLE = re.compile(r"^\s*import (expunge\.[\w.]+)", re.M)
ITSELF = ("expunge.errors", "expunge.values", "expunge.vision.timm")
"""Modules that are faces of their own; the last would need a package that not everybody has."""


def imported(text: str) -> list[tuple[str, str]]:
    """Module and name of all imports in a page's code; the name is empty where the module itself is imported."""
    found = []
    for code in FENCE.findall(text):
        found += [(module, "") for module in WHOLE.findall(code)]
        for module, names in FROM.findall(code):
            found += [(module, name.split()[0]) for name in names.strip("()").split(",") if name.strip()]
    return found


def is_public(module: str, name: str) -> bool:
    """Whether a module is a face, and says so of the name."""
    if any(part.startswith("_") for part in (*module.split("."), name)):
        return False
    face = import_module(module)
    if module in ITSELF:
        return hasattr(face, name) or not name
    return hasattr(face, "__path__") and (not name or name in face.__all__)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_nothing_is_imported_from_behind_a_face(page: Path) -> None:
    assert [found for found in imported(page.read_text(encoding="utf-8")) if not is_public(*found)] == []


def test_imports_from_behind_a_face_are_found() -> None:
    page = """
from expunge.methods.registry import method_names
```python title="one.py"
import expunge
import expunge.data
import expunge.methods.registry
from expunge.data import Images, take  # no public name
from expunge.methods import (
    Method,
    method_names as names,
)
from expunge.methods.protocol import Method
```
```sh
python -c "from expunge.vision.blocks import find; print(find)"
python -c "from expunge.errors import DataError"
```
"""
    found = imported(page)
    assert len(found) == 9
    assert [one for one in found if not is_public(*one)] == [
        ("expunge.methods.registry", ""),
        ("expunge.data", "take"),
        ("expunge.methods.protocol", "Method"),
        ("expunge.vision.blocks", "find"),
    ]


def test_the_pages_import_something() -> None:
    assert sum(len(imported(page.read_text(encoding="utf-8"))) for page in PAGES) > 40
