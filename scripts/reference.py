"""Writes the pages of docs/reference but for api.md from the code: `python scripts/reference.py [--check]`."""

import argparse
import dataclasses
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from expunge.evidence import make_measures, measure_names, metrics, reasons, scorecard, verdict
from expunge.evidence.strangers import finding
from expunge.methods import make_method, method_names, method_presets
from expunge.methods.protocol import IMAGES
from expunge.tasks import Task, find_task, task_names

FOLDER = Path(__file__).parents[1] / "docs" / "reference"


def cli_page() -> str:
    """Every command with its options, as typer documents them."""
    command = [sys.executable, "-m", "typer", "expunge.cli.app", "utils", "docs", "--name", "expunge"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return text.replace("&#x27;", "'").replace("# `expunge`", "# Commands", 1).strip() + "\n"


def settings_page() -> str:
    """Every method with its settings, defaults and presets."""
    lines = [
        "# Methods and their settings",
        "",
        "Give a setting with `--set NAME=VALUE`, a preset with `--preset NAME`.",
    ]
    for task in sorted(map(find_task, task_names()), key=lambda task: (task.name != IMAGES, task.name)):
        if task.like:
            kin = " and ".join(f"{find_task(name).noun}s" for name in task.like)
            unfit = [f"but `{name}`: {why}" for name, why in task.unfit.items() if name in method_names()]
            lines += ["", f"## For {task.noun}s", "", f"Those of {kin}, {'; '.join(unfit)}."]
            continue
        if task.name != IMAGES:
            lines += ["", f"## For {task.noun}s", "", "The same names and options, where one of these forgets."]
        lines += _methods(task, "##" if task.name == IMAGES else "###")
    return "\n".join(lines) + "\n"


def _methods(task: Task[Any, Any], heading: str) -> list[str]:
    lines = []
    for name in method_names(task.name):
        made: Any = make_method(name, task=task.name)
        lines += ["", f"{heading} {name}", ""]
        lines += [f"{made.summary[0].upper()}{made.summary[1:]}. Source: {made.source}.", ""]
        if name == task.auto:
            lines += ["This is what `--method auto`, the default, takes.", ""]
        texts = attribute_texts(type(made))
        fields = dataclasses.fields(made)
        if not fields:
            lines.append("It has no settings.")
            continue
        presets = method_presets(name, task=task.name)
        lines.append("| setting | default | " + "".join(f"{p} | " for p in presets) + "what it is |")
        lines.append("|---" * (3 + len(presets)) + "|")
        for field in fields:
            special = "".join(f"{values.get(field.name, '')} | " for values in presets.values())
            lines.append(f"| `{field.name}` | {getattr(made, field.name)} | {special}{texts.get(field.name, '')} |")
    return lines


def measures_page() -> str:
    """Every measure with its rows and settings."""
    lines = ["# Measures", "", "Taken by `expunge measure` and by the benchmark; `--measures A,B` takes some of them."]
    for measure in make_measures():
        lines += _measure(type(measure), "##")
    lines += ["", "## For detectors", "", "Of detectors these are taken; the rows of the first hold AP50."]
    for measure in make_measures(task="detection"):
        lines += _measure(type(measure), "###")
    unfit = " and ".join(f"`{name}`" for name in find_task("embedding").unfit if name in measure_names())
    lines += ["", "## For embedders", "", f"Those of classifiers but {unfit}, and:"]
    for measure in make_measures(task="embedding", but=measure_names()):
        lines += _measure(type(measure), "###")
    return "\n".join(lines) + "\n"


def _measure(found: Any, heading: str) -> list[str]:
    lines = [
        "",
        f"{heading} {found.name}",
        "",
        f"{found.summary[0].upper()}{found.summary[1:]}. Source: {found.source}.",
    ]
    rows = [f"`{key}` ({label})" for key, label in found.labels.items() if "_layer_" not in key]
    layers = sorted({re.sub(r"_\d+$", "_K", key) for key in found.labels if "_layer_" in key})
    lines += ["", f"Rows: {', '.join([*rows, *(f'`{key}` for every block K' for key in layers)])}."]
    texts, fields = attribute_texts(found), dataclasses.fields(found)
    if fields:
        lines += ["", "| setting | default | what it is |", "|---|---|---|"]
        lines += [f"| `{field.name}` | {field.default} | {texts.get(field.name, '')} |" for field in fields]
    return lines


def metrics_page() -> str:
    """Every object in metrics.json with its keys."""
    lines = [
        "# metrics.json",
        "",
        f"Format `{metrics.SCHEMA}`. Rates are percentages with two decimals, times seconds.",
    ]
    named = (
        "Metrics",
        "ModelInfo",
        "Baseline",
        "RequestMetrics",
        "ImagesUsed",
        "Change",
        "HeadMask",
        "WeightsAlone",
        "Groups",
        "Parameters",
    )
    for name in named:
        lines += _keys(getattr(metrics, name))
    return "\n".join(lines) + "\n"


def scorecard_page() -> str:
    """Every object in scorecard.json and verdict.json with its keys."""
    lines = [
        "# scorecard.json and verdict.json",
        "",
        f"Written by `expunge measure`. Formats `{scorecard.SCHEMA}` and `{verdict.SCHEMA}`; numbers have four "
        "decimals at most. New keys may be added, and are absent where there is nothing to say.",
    ]
    for model in (
        scorecard.Scorecard,
        scorecard.ModelName,
        scorecard.Row,
        finding.BesideStrangers,
        finding.StrangersRow,
        verdict.Verdict,
        reasons.Reason,
    ):
        lines += _keys(model)
    return "\n".join(lines) + "\n"


def _keys(model: type[BaseModel]) -> list[str]:
    texts = attribute_texts(model)
    lines = ["", f"## {model.__name__}", "", (inspect.getdoc(model) or "").split("\n\n")[0], ""]
    lines += ["| key | what it is |", "|---|---|"]
    return lines + [
        f"| `{info.alias or field}` | {texts.get(field, '')} |" for field, info in model.model_fields.items()
    ]


def attribute_texts(of: type) -> dict[str, str]:
    """What the `Attributes:` sections of a class and its bases say of each attribute."""
    found: dict[str, str] = {}
    for base in reversed(inspect.getmro(of)):
        section = re.search(r"Attributes:\n((?:    .*\n?|\n)*)", inspect.cleandoc(base.__doc__ or "") + "\n")
        for entry in re.finditer(r"^    (\w+): ((?:.*\n?)(?:        .*\n?)*)", section[1] if section else "", re.M):
            found[entry[1]] = " ".join(entry[2].split())
    return found


def main() -> int:
    """Writes the pages, or with `--check` says whether they are up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is out of date")
    check = parser.parse_args().check
    stale = []
    pages = {"cli": cli_page, "settings": settings_page, "measures": measures_page, "metrics": metrics_page}
    pages |= {"scorecard": scorecard_page}
    for name, page in pages.items():
        text = page()
        path = FOLDER / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path)
            if not check:
                path.write_text(text, encoding="utf-8")
    if check and stale:
        sys.stderr.write(f"out of date: {', '.join(p.name for p in stale)}; run: make reference\n")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
