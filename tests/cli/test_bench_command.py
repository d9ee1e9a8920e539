"""`expunge bench`, as a user runs it."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from expunge.bench.load import load_cells
from expunge.cli.app import run
from tests.bench.made_up import METHODS, broken_package, likely, write

TINY = ("fashion", "--setting", "4-shot", "--methods", "original,head-mask", "--seeds", "1", "--quick")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    cells = [likely(method, seed, 2) for method in METHODS[:5] for seed in (0, 1)]
    return write(tmp_path_factory.mktemp("results"), cells)


def test_run_fills_a_folder_and_does_nothing_twice(tmp_path, capsys) -> None:
    assert run(["bench", "run", *TINY, "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith(f"cells run now: 2, in {tmp_path}: 2\n")
    assert [cell.method for cell in load_cells(tmp_path)] == ["head-mask", "original"]
    assert run(["bench", "run", *TINY, "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith(f"cells run now: 0, in {tmp_path}: 2\n")


def test_table_prints_markdown_and_csv(folder, capsys) -> None:
    assert run(["bench", "table", str(folder)]) == 0
    assert "## faces, replay" in capsys.readouterr().out
    assert run(["bench", "table", str(folder), "--format", "csv"]) == 0
    lines = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert {line["method"] for line in lines} == set(METHODS[:5])


def test_table_writes_files(folder, tmp_path, capsys) -> None:
    pytest.importorskip("matplotlib")
    for kind in ("md", "csv", "svg"):
        assert run(["bench", "table", str(folder), "--format", kind, "--out", str(tmp_path / "new" / kind)]) == 0
    capsys.readouterr()
    assert sorted(path.name for path in (tmp_path / "new").rglob("*.*")) == [
        "faces-replay-gaps.svg",
        "faces-replay-requests.svg",
        "faces-replay-seconds.svg",
        "results.csv",
        "tables.md",
    ]


def test_list_names_suites_settings_and_rows(capsys) -> None:
    assert run(["bench", "list"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("fashion", "glyphs-50x1", "4-shot", "oracle-scratch", "gs-lora++"))


def test_a_broken_suite_of_a_stranger_hides_no_other(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.syspath_prepend(broken_package(tmp_path))
    assert run(["bench", "list"]) == 0
    said = capsys.readouterr().out
    assert "ZeroDivisionError" in said
    assert all(name in said for name in ("stranger", "fashion", "oracle-scratch"))


def test_table_says_which_cells_are_mixed(folder, tmp_path, capsys) -> None:
    assert run(["bench", "table", str(folder)]) == 0
    assert not capsys.readouterr().err
    cells = [likely(method, 0, 2, base=digit * 64) for method, digit in (("original", "1"), ("ewc", "2"))]
    assert run(["bench", "table", str(write(tmp_path, cells))]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("mixed faces, replay, seed 0: base models of different weights; delete these cells")


def test_there_is_nothing_to_draw_of_the_original_alone(tmp_path, capsys) -> None:
    pytest.importorskip("matplotlib")
    write(tmp_path, [likely("original", 0, 2)])
    assert run(["bench", "table", str(tmp_path), "--format", "svg", "--out", str(tmp_path / "svg")]) == 0
    assert not list((tmp_path / "svg").iterdir())
    assert "nothing to draw" in capsys.readouterr().err


@pytest.mark.slow
def test_cells_of_something_else_are_replaced_only_where_that_is_said(tmp_path, capsys) -> None:
    write(tmp_path, [likely("original", 0, 2, suite="fashion", setting="4-shot")])
    asked = ["bench", "run", *TINY, "--out", str(tmp_path)]
    assert run(asked) == 2
    assert "1 cell in" in " ".join(capsys.readouterr().err.split())
    assert run([*asked, "--again"]) == 0
    assert capsys.readouterr().out.startswith("cells run now: 2")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["table", "nowhere"], "found none"),
        (["table", "{folder}", "--format", "svg"], "say where"),
        (["table", "{folder}", "--out", "{folder}/cells/faces/replay/damp/seed-0.json"], "cannot write to"),
        (["run", "nope", "--out", "{folder}"], "unknown suite"),
        (["run", "fashion", "--out", "{folder}/cells/faces/replay/damp/seed-0.json"], "Choose another --out"),
        (["run", "fashion", "--out", "/dev/null/bench"], "cannot write to /dev/null/bench"),
        (["run", "fashion", "--setting", "4-shot,", "--out", "{folder}"], "--setting takes names separated by commas"),
        (["run", "fashion", "--methods", "nope", "--quick", "--out", "{folder}"], "unknown method"),
    ],
)
def test_unusable_input(arguments, message, folder, capsys) -> None:
    assert run(["bench", *(argument.format(folder=folder) for argument in arguments)]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(tmp_path) -> None:
    arguments = ["bench", "run", "fashion", "--setting", "4-shot", "--quick", "--out", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "expunge", *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 300  # a busy machine takes its time to import torch
    while not list(tmp_path.glob("cells/*/*/*/*.json")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert f"Finished cells kept in {tmp_path}" in said
    assert "The same command goes on there" in said
    assert load_cells(tmp_path)


@pytest.mark.parametrize("command", ["run", "table", "list"])
def test_every_help_has_an_example(command, capsys) -> None:
    assert run(["bench", command, "--help"]) == 0
    assert f"Example: expunge bench {command}" in " ".join(capsys.readouterr().out.split())
