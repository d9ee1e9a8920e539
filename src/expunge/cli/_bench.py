"""`expunge bench run | table | list`; `speed` has a file of its own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from expunge.cli._bench_speed import speed
from expunge.cli._console import errors, output, progress_bar
from expunge.cli._interrupt import heed_ctrl_c
from expunge.cli._names import split_names
from expunge.errors import ExpungeError, OutputError

if TYPE_CHECKING:
    from expunge.bench import Summary

NONE = "–"

bench = typer.Typer(help="Put methods side by side.", no_args_is_help=True)
bench.command()(speed)


@bench.command()
def run(
    suite: Annotated[str, typer.Argument(help="One of `expunge bench list`.")],
    out: Annotated[Path, typer.Option(help="Where the cells are kept; what is there is not run again.")],
    setting: Annotated[str, typer.Option(help="Settings, A,B; by default all of the suite.")] = "",
    methods: Annotated[str, typer.Option(help="Methods and anchors, A,B; by default all.")] = "",
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")] = 3,
    first_seed: Annotated[int, typer.Option(min=0, help="The first of them.")] = 0,
    quick: Annotated[
        bool, typer.Option("--quick", help="A tiny version that takes seconds, to see that it runs.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Replace cells in --out that were made with other settings or requests.")
    ] = False,
) -> None:
    """Run the cells of SUITE that are not in --out yet: a cell is one method in one setting with one seed.

    Example: expunge bench run fashion --methods head-mask,gs-lora++ --seeds 1 --out bench/
    """
    from expunge.bench import run_suite
    from expunge.runs import Stage
    from expunge.tasks import Progress

    try:
        with heed_ctrl_c(), progress_bar() as show:

            def report(cell: str, progress: Progress) -> None:
                show(Stage(cell, progress))

            ran = run_suite(
                suite,
                out,
                settings=split_names(setting, "--setting") if setting else None,
                methods=split_names(methods, "--methods") if methods else None,
                seeds=range(first_seed, first_seed + seeds),
                report=report,
                quick=quick,
                again=again,
            )
    except KeyboardInterrupt:
        where = escape(str(out))
        errors.print(f"Finished cells kept in {where}: {_count(out)}. The same command goes on there.")
        raise
    where = escape(str(out))
    said = f"cells run now: {ran}, in {where}: {_count(out)}\nto see them: expunge bench table {where}"
    output.print(said, highlight=False, soft_wrap=True)


@bench.command()
def table(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `expunge bench run` was given as --out.")],
    format_: Annotated[
        Literal["md", "csv", "svg"], typer.Option("--format", help="md: tables; csv: every figure, long; svg: figures.")
    ] = "md",
    out: Annotated[Path | None, typer.Option(help="A folder for the files; by default md and csv are printed.")] = None,
) -> None:
    """Show what is in DIR: mean and interval over seeds, gap to the oracle, best in bold.

    Example: expunge bench table bench/ --format svg --out figures/
    """
    from expunge.bench import load_cells, mixed, summaries

    if format_ == "svg" and out is None:
        raise OutputError("--format svg writes several files: say where, e.g. --out figures/")
    cells = load_cells(folder)
    for group in mixed(cells):
        errors.print(f"[yellow]mixed[/] {escape(str(group))}; delete these cells and run them again", highlight=False)
    files = _files(format_, summaries(cells))
    if out is None:
        for text in files.values():
            typer.echo(text, nl=False)
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (out / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write to {out}: {error.strerror}. Choose another --out.") from error
    if not files:
        errors.print("nothing to draw: there is no method beside the original")
    for name in files:
        output.print(escape(str(out / name)), highlight=False, soft_wrap=True)


@bench.command("list")
def list_() -> None:
    """List suites with their settings, and the rows that a run of one gives.

    Example: expunge bench list
    """
    from expunge.bench import find_suite, suite_names

    shown = Table(box=None, pad_edge=False)
    for heading in ("suite", "what it is", "settings"):
        shown.add_column(heading)
    rows: dict[tuple[str, ...], list[str]] = {}
    for name in suite_names():
        try:
            suite = find_suite(name)
        except ExpungeError as error:
            shown.add_row(name, f"[red]{escape(str(error))}[/]", NONE)
            continue
        rows.setdefault(suite.rows(), []).append(name)
        shown.add_row(name, escape(suite.summary), ", ".join(setting.name for setting in suite.settings))
    output.print(shown)
    for names, suites in rows.items():
        output.print(f"\nmethods and anchors of {', '.join(suites)}: {', '.join(names)}", highlight=False)


def _files(format_: str, found: "tuple[Summary, ...]") -> dict[str, str]:
    """File name -> text."""
    if format_ == "svg":
        from expunge.bench.figures import figures_of

        return {name: draw() for summary in found for name, draw in figures_of(summary).items()}
    from expunge.bench import as_csv, as_markdown

    return {"tables.md": as_markdown(found)} if format_ == "md" else {"results.csv": as_csv(found)}


def _count(out: Path) -> int:
    return len(list(out.glob("cells/*/*/*/seed-*.json")))
