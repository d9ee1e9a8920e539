"""`expunge measure`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from expunge.cli._compare import CompareOptions, compare
from expunge.cli._console import output
from expunge.cli._names import TaskOption, split_names
from expunge.cli._onnx_options import ClassesOption, PreprocessOption, refuse_in_vain
from expunge.errors import RequestError, TaskError

if TYPE_CHECKING:
    from expunge.evidence import Scorecard, Verdict
    from expunge.tasks import Task

ERASED, JUDGED_OTHERWISE = 0, 3
"""Exit codes of a scorecard that was judged. Unusable input is 2, as everywhere."""


def measure(
    before: Annotated[str, typer.Argument(help="The original model: a directory, an ONNX file, a hub id or zoo:NAME.")],
    after: Annotated[str, typer.Argument(help="The edited model, with the same classes; any tool may have edited it.")],
    data: Annotated[
        str,
        typer.Option(help="Folder with train/<class>/* and test/<class>/*; for detectors COCO's layout; or zoo:NAME."),
    ],
    forgotten: Annotated[str, typer.Option(help="Classes that AFTER should have forgotten, A,B.")],
    earlier: Annotated[str | None, typer.Option(help="Classes that earlier requests have taken, C,D.")] = None,
    missing: Annotated[str | None, typer.Option(help="Retained classes the method had no images of, E,F.")] = None,
    oracle: Annotated[
        list[str] | None, typer.Option(help="A model that never saw the forgotten classes; may be repeated.")
    ] = None,
    strangers: Annotated[
        str | None,
        typer.Option(
            help="Classes that no model ever saw: a folder like --data, or zoo:NAME. The oracle everybody has."
        ),
    ] = None,
    shadow_forgotten: Annotated[
        list[str] | None,
        typer.Option(help="For U-LiRA: a model trained with the classes that forgot them; four or more, repeated."),
    ] = None,
    shadow_never: Annotated[
        list[str] | None, typer.Option(help="For U-LiRA: a model that never saw them; four or more, repeated.")
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(help="A policy file, or not-to-be-found-again; by default the one that comes with us."),
    ] = None,
    measures: Annotated[str | None, typer.Option(help="Names of measures, a,b; by default all installed ones.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seeds the measures.")] = 0,
    out: Annotated[Path, typer.Option(help="A new or empty folder for results.")] = Path("expunge-scorecard"),
    partial: Annotated[bool, typer.Option("--partial", help="The data may lack some of the models' classes.")] = False,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out images that cannot be decoded.")
    ] = False,
    classes: ClassesOption = None,
    preprocess: PreprocessOption = None,
    task: TaskOption = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
) -> int:
    """Measure what AFTER still knows of classes that BEFORE knew, and judge it by a policy.

    Example: expunge measure my-model/ run/model/ --data images/ --forgotten tabby,beagle --oracle oracle/ --out proof/

    Give --oracle, a model trained without the classes, or --strangers, pictures of 20 classes or more that BEFORE never
    saw: without either there is nothing to compare with.

    --out receives scorecard.json, .md, .svg, .html and verdict.json.

    Exit code: 0 erased; 3 not erased, harm too large, a hole shows, or not enough evidence; 2 unusable input.
    """
    from expunge.evidence import judge, load_policy, measure_names
    from expunge.runs import check_free, policy_keys, task_at, write_scorecard
    from expunge.vision import choose_device

    choose_device(device)
    check_free(out)
    sources = (before, after, *(oracle or ()))
    shadows = (*(shadow_forgotten or ()), *(shadow_never or ()))
    refuse_in_vain([*sources, *shadows], classes, preprocess)
    wanted = _one_task({source: task_at(source, task) for source in (*sources, *shadows)})
    if shadows and "u-lira" not in measure_names(task=wanted.name):
        raise RequestError(f"expected no shadow models, as U-LiRA is not for an {wanted.noun}: leave --shadow-… out")
    rules = load_policy(policy, known=policy_keys(wanted.name), task=wanted.name)
    asked = CompareOptions(
        data=data,
        forgotten=split_names(forgotten, "--forgotten"),
        earlier=split_names(earlier, "--earlier") if earlier else (),
        missing=split_names(missing, "--missing") if missing else (),
        measures=split_names(measures, "--measures") if measures else None,
        seed=seed,
        partial=partial,
        skip_unreadable=skip_unreadable,
        strangers=strangers,
        shadow_forgotten=tuple(shadow_forgotten or ()),
        shadow_never=tuple(shadow_never or ()),
        classes=classes,
        preprocess=preprocess,
        task=task,
    )
    card = compare(asked, sources, device)
    verdict = judge(card, rules)
    write_scorecard(out, card, verdict)
    _show(card, verdict, out)
    return ERASED if verdict.outcome == "erased" else JUDGED_OTHERWISE


def _one_task(tasks: "dict[str, Task[Any, Any]]") -> "Task[Any, Any]":
    """The task of all models.

    Raises:
        TaskError: They are of several.
    """
    (first, task), *others = tasks.items()
    for source, other in others:
        if other.name != task.name:
            raise TaskError(f"{first} is an {task.noun} and {source} an {other.noun}; name models of one task")
    return task


def _show(card: "Scorecard", verdict: "Verdict", out: Path) -> None:
    """The rows, the reasons that decide, and where the rest is."""
    output.print(_table(card))
    from expunge.evidence import SAYS, advice, headline

    for reason in verdict.reasons:
        if reason.status in ("failed", "undecided") or (reason.required and reason.status == "unmeasured"):
            parts = (f"{reason.status}: {reason.key} {reason.limit}", reason.measured, reason.note)
            said = "; ".join(part for part in parts if part)
            output.print(escape(said), soft_wrap=True, highlight=False)
    if helpful := advice(card, verdict, bring="--strangers DIR"):
        output.print(escape(helpful), soft_wrap=True, highlight=False)
    colours = {"erased": "green", "hole_shows": "magenta", "not_enough_evidence": "yellow"}
    colour = colours.get(verdict.outcome, "red")
    if said := headline(card):
        output.print(escape(said), soft_wrap=True, highlight=False)
    output.print(f"verdict: [bold {colour}]{SAYS[verdict.outcome]}[/]", highlight=False)
    output.print(f"page: {escape(str(out / 'scorecard.html'))}", soft_wrap=True, highlight=False)


def _table(card: "Scorecard") -> Table:
    from expunge.evidence import grouped, number, shown

    table = Table(title=f"{escape(card.edited.name)}: rates in %", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("measure")
    for heading in ("edited", "interval", "original", "oracle", "n"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading, rows in grouped([row for row in card.rows if row.aim != "context"]):
        table.add_row(f"[bold]{escape(heading)}")
        for row in rows:
            ends = (row.low, row.high)
            interval = "–".join(number(end, row.unit) for end in ends) if None not in ends else "–"
            unit = "" if row.unit in ("%", "1") else f" ({row.unit})"
            cells = (shown(row), f"[dim]{interval}[/]", shown(row, "original"), shown(row, "oracle"), str(row.n))
            table.add_row(escape(row.label + unit), *cells)
    return table
