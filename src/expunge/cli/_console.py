"""Output of the commands: results on stdout, everything else on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from expunge.data import Notice
    from expunge.evidence import Change, Metrics
    from expunge.runs import Stage

output = Console()
errors = Console(stderr=True, soft_wrap=True)


@contextmanager
def progress_bar() -> "Iterator[Callable[[Stage], None]]":
    """A progress bar on stderr, one line for each stage of a run; gone when the stage is done."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TextColumn("[dim]{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as bar:
        tasks = {}

        def show(stage: "Stage") -> None:
            done, total = stage.progress.done, stage.progress.total
            if stage.name not in tasks:
                tasks[stage.name] = bar.add_task(stage.name, total=total, note="")
            bar.update(tasks[stage.name], completed=done, note=stage.progress.note, visible=done < total)

        yield show


def show_notices(notices: "Iterable[Notice]") -> None:
    """Prints what was mended when scenes were read."""
    from rich.markup import escape

    for notice in notices:
        errors.print(f"[yellow]noted[/] {escape(f'{notice.what}: {notice.count}, the first is {notice.example}')}")


def metrics_table(metrics: "Metrics") -> Table:
    """Two or three rows a request: ours, with rows in place where measured, the head mask's; fits into 80 columns."""
    from expunge.tasks import find_task

    table = Table(
        title=f"{metrics.method} on {metrics.model.name}: {metrics.unit} in %, 95 % interval",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("request", min_width=13)
    rate = find_task(metrics.task).words.symbol
    for heading in (*(f"{rate}_{group}" for group in "fro"), "H", "groups", "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for number, request in enumerate(metrics.requests, start=1):
        mask = request.head_mask
        name = f"{number}: {_shortened(request.classes)}"
        if alone := request.weights_alone:
            earlier = f"{alone.acc_o.after:.1f}" if alone.acc_o else "–"
            figures = (f"{alone.acc_f.after:.1f}", "", earlier, f"{alone.h:.1f}")
            table.add_row(f"{name}\nrows in place", *(f"\n{figure}" for figure in figures))
        table.add_row(
            "as written" if alone else name,
            _change(request.acc_f),
            _change(request.acc_r),
            _change(request.acc_o) if request.acc_o else "–",
            f"{request.h:.1f}",
            f"{request.groups.kept}/{request.groups.total}",
            f"{request.seconds:.1f}",
        )
        masked = [f"{value:.1f}" for value in (mask.acc_f, mask.acc_r)]
        table.add_row(
            "head mask", *masked, "0.0" if request.acc_o else "–", f"{mask.h:.1f}", style="dim", end_section=True
        )
    return table


def _shortened(classes: tuple[str, ...], most: int = 3) -> str:
    from rich.markup import escape

    more = f" and {len(classes) - most} more" if len(classes) > most else ""
    return escape(", ".join(classes[:most])) + more


def _change(change: "Change") -> str:
    low, high = change.ci95
    return f"{change.before:.1f} → {change.after:.1f}\n[dim]{low:.1f}–{high:.1f}\nn={change.n}[/]"
