import re
import runpy
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from expunge.bench._page import ASSETS, make_page
from tests.bench.made_up import METHODS, likely, write

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    cells = [
        likely(method, seed, 2, suite=suite)
        for suite in ("faces", "glyphs")
        for method in (*METHODS[:3], "ewc")
        for seed in (1, 2)
    ]
    write(folder, cells)
    (folder / "not-run.toml").write_text(
        '[[cells]]\nsuite = "glyphs"\nsetting = "all"\nmethods = ["fg-oriu", "lirf"]\nwhy = "nine hours each"\n'
    )
    return folder


@pytest.fixture(scope="module")
def page(results, tmp_path_factory):
    notes = tmp_path_factory.mktemp("notes")
    (notes / "faces.md").write_text("What they show: see [the notes](../lab-notes.md).\n")
    return make_page(results, notes)


def test_says_where_and_how_it_was_made(page) -> None:
    assert "| machine | Example CPU, 2 cores, 1 thread, 8 GB, cpu | 16 |" in page.text
    assert "| versions | torch 2.13.0 | 16 |" in page.text
    assert "| commit | abc1234 | 16 |" in page.text
    assert "expunge bench run faces --seeds 2 --first-seed 1 --out benchmarks/results" in page.text


def test_a_section_a_suite_with_its_commentary(page) -> None:
    parts = re.split(r"^## ", page.text, flags=re.M)
    faces, glyphs = (next(part for part in parts if part.startswith(name)) for name in ("faces", "glyphs"))
    assert "[the notes](lab-notes.md)" in faces
    assert faces.count("| ewc |") == 3  # main table, sequence, what is measured beside
    assert "the notes" not in glyphs


def test_every_figure_is_shown_and_every_shown_figure_is_there(page) -> None:
    shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.text)
    assert sorted(shown) == sorted(page.figures)
    assert len(shown) == 6
    assert all(path.startswith(f"{ASSETS}/") for path in shown)


def test_says_what_was_not_run_and_what_is_missing(page) -> None:
    assert "| glyphs | all | fg-oriu, lirf | nine hours each |" in page.text
    assert "- oracle-finetune, all seeds: not run" in page.text


def test_explains_every_heading(page) -> None:
    heading = next(line for line in page.text.splitlines() if line.startswith("| method | H"))
    for name in (text.strip() for text in heading.split("|")[2:-1]):
        assert f"- **{name}**: " in page.text


def test_the_script_writes_checks_and_clears_away(tmp_path, capsys) -> None:
    results = write(tmp_path / "results", [likely(method, 0, 1) for method in METHODS[:5]])
    docs = tmp_path / "docs"
    main = runpy.run_path(str(ROOT / "scripts/benchmarks_page.py"))["main"]

    def script(*more: str) -> int:
        return main(["--results", str(results), "--docs", str(docs), *more])

    assert script("--check") == 1
    old = docs / ASSETS / "gone-replay-gaps.svg"
    old.parent.mkdir(parents=True)
    old.write_text("<svg/>")
    assert script() == 0
    assert not old.exists()
    assert script("--check") == 0
    (docs / "benchmarks.md").write_text("edited by hand")
    capsys.readouterr()
    assert script("--check") == 1
    assert capsys.readouterr().err == "out of date: benchmarks.md; run: make benchmarks-page\n"


@pytest.mark.skipif(not RESULTS.exists(), reason="no results are committed yet")
def test_the_committed_page_is_that_of_the_committed_results() -> None:
    """Words and tables in full, every figure and no other; of the figures, the first one byte for byte."""
    page = make_page(RESULTS, ROOT / "docs/_benchmarks")
    assert (ROOT / "docs/benchmarks.md").read_text(encoding="utf-8") == page.text
    assert {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs" / ASSETS).iterdir()} == set(page.figures)
    name, draw = next(iter(page.figures.items()))
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == draw()
