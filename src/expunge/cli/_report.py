"""`expunge report`: the cumulative watch over all releases, and when something else than another edit would pay."""

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from expunge.cli._console import errors, output
from expunge.cli._workspace_options import JsonOption, WorkspaceOption, open_workspace, print_json
from expunge.errors import ReadOnlyWorkspaceError, WorkspaceError

if TYPE_CHECKING:
    from expunge.lifecycle import Point


def report(
    html: Annotated[Path | None, typer.Option("--html", help="Write the report as one page.")] = None,
    retrain_hours: Annotated[
        float | None, typer.Option(min=0.0, help="Hours that a retraining without the forgotten classes takes.")
    ] = None,
    price_per_hour: Annotated[float, typer.Option(min=0.0, help="What the machine costs an hour.")] = 1.0,
    requests_per_month: Annotated[float, typer.Option(min=0.0, help="How many requests are expected.")] = 1.0,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Show what all releases together did: Acc_o, Acc_r against the original and the head mask, drift per block.

    Example: expunge report --html report.html --retrain-hours 8 --price-per-hour 2.5 --requests-per-month 12
    """
    from expunge.lifecycle import (
        Prices,
        applied_edits,
        catch_up,
        economics,
        history,
        in_words,
        overlaps,
        policy,
        render_watch,
        warnings,
    )
    from expunge.workspace import writing

    with open_workspace(workspace) as place:
        with suppress(ReadOnlyWorkspaceError):
            catch_up(place)
        points, said = history(place), warnings(history(place), policy(place))
        shared = overlaps(applied_edits(place), tuple(points[-1].drift)) if points else ()
        prices = Prices(retrain_hours or 0.0, price_per_hour, requests_per_month)
        money = None if retrain_hours is None else economics(place, prices)
        if retrain_hours is not None and money is None:
            raise WorkspaceError("No edit was made here yet, so nothing was measured that could be reckoned with.")
    if html is not None:
        with writing(str(html)):
            html.write_text(render_watch(points, said, money, prices), encoding="utf-8")
    if json:
        spent = None if money is None else asdict(money)
        curve = [point.model_dump(mode="json", by_alias=True) for point in points]
        print_json({"points": curve, "warnings": list(said), "economics": spent, "shared": list(map(asdict, shared))})
        return
    output.print(_table(points) if points else "Nothing was released yet.")
    for text in said:
        errors.print(f"[yellow]warning:[/] {escape(text)}", highlight=False)
    for pair in shared:
        text = f"{pair.request} was made on top of {pair.earlier}; both change {', '.join(pair.blocks)}"
        output.print(text, highlight=False, markup=False, soft_wrap=True)
    if money is not None:
        for line in in_words(money):
            output.print(line, highlight=False, markup=False, soft_wrap=True)
    if html is not None:
        output.print(f"report: {html}", highlight=False, markup=False, soft_wrap=True)


def _table(points: "tuple[Point, ...]") -> Table:
    table = Table(title="After each release or rollback, in %", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    rate = points[-1].rate
    for heading in ("measured", "edits", f"{rate}_o", f"{rate}_r", "original", "head mask", "largest drift"):
        table.add_column(heading, justify="left" if heading == "measured" else "right", no_wrap=True)
    for point in points:
        block, most = max(point.drift.items(), key=lambda one: one[1])
        table.add_row(
            point.time[:16].replace("T", " "),
            str(point.edits),
            "–" if point.acc_o is None else f"{point.acc_o:.1f}",
            *(f"{value:.1f}" for value in (point.acc_r, point.acc_r_original, point.acc_r_mask)),
            f"{100 * most:.2f} ({escape(block.rpartition('.')[2])})",
        )
    return table
