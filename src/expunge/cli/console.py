"""What the commands say and how: results on stdout, everything else on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from expunge.evidence import Metrics, RequestMetrics
    from expunge.evidence.metrics import Change
    from expunge.requests import Stage

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


def metrics_table(metrics: "Metrics") -> Table:
    """One row a request, the head mask's figures beside ours."""
    table = Table(title=f"{metrics.method} on {metrics.model.name}, accuracy in % (95 % interval)")
    for heading in ("request", "Acc_f", "Acc_r", "Acc_o", "H"):
        table.add_column(heading, justify="left" if heading == "request" else "right")
    table.add_column("head mask\nAcc_r / H", justify="right", style="dim")
    table.add_column("groups", justify="right")
    table.add_column("seconds", justify="right")
    for request in metrics.requests:
        table.add_row(*_row(request))
    return table


def _row(request: "RequestMetrics") -> tuple[str, ...]:
    from rich.markup import escape

    mask = request.head_mask
    return (
        escape(", ".join(request.classes)),
        _change(request.acc_f),
        _change(request.acc_r),
        _change(request.acc_o) if request.acc_o else "–",
        f"{request.h:.1f}",
        f"{mask.acc_r:.1f} / {mask.h:.1f}",
        f"{request.groups.kept} of {request.groups.total}",
        f"{request.seconds:.1f}",
    )


def _change(change: "Change") -> str:
    low, high = change.ci95
    return f"{change.before:.1f} → {change.after:.1f}\n[dim]{low:.1f} to {high:.1f}, n={change.n}[/]"
