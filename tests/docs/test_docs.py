"""What the documentation says is what the code does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("script", ["reference.py", "demo_results.py"])
def test_generated_pages_are_up_to_date(script) -> None:
    done = subprocess.run([sys.executable, ROOT / "scripts" / script, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options_exist(page) -> None:
    known = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
        for line in block.splitlines():
            if line.strip().startswith("expunge "):
                command = re.sub(r" --log-\w+ \w+", "", line).split()[1]
                assert f"## `expunge {command}`" in known
                assert all(f"`{option}" in known for option in re.findall(r"--[a-z-]+", line.split("#")[0]))


def test_the_readmes_python_runs(toy_model_folder, toy_data_folder) -> None:
    """The README's lines, with the toy's names in place of the cats and dogs."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.S)
    assert code
    names = {"my-model/": str(toy_model_folder), "images/": str(toy_data_folder)}
    names |= {"tabby": "amber", "tiger cat": "blue", "beagle": "coral"}
    lines = code[1]
    for name, ours in names.items():
        lines = lines.replace(f'"{name}"', f'"{ours}"')
    printed = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"\d+\.\d+ \d+\.\d+\n", printed)
