"""`expunge calibrate MODEL --data DIR --out MEMORY`."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from expunge.cli._console import errors, output, progress_bar
from expunge.cli._interrupt import heed_ctrl_c
from expunge.cli._names import TaskOption
from expunge.errors import ClassMemoryError


def calibrate(
    model: Annotated[str, typer.Argument(help="The original model: a directory, a hub id or zoo:NAME.")],
    data: Annotated[str, typer.Option(help="Folder with train/<class>/* and test/<class>/*, or zoo:NAME.")],
    out: Annotated[Path, typer.Option(help="A new or empty folder for the memory.")],
    depth: Annotated[
        Literal["fast", "default", "thorough"], typer.Option(help="The deepest edit that the memory shall serve.")
    ] = "thorough",
    rank: Annotated[
        int, typer.Option(min=1, help="Principal directions to keep of each class; bytes grow with it.")
    ] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Draws the validation images, which are left out.")] = 0,
    partial: Annotated[bool, typer.Option("--partial", help="The data may lack some of the model's classes.")] = False,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out images that cannot be decoded.")
    ] = False,
    task: TaskOption = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
) -> None:
    """Keep statistics of MODEL's classes, so that later requests need no images of the classes that stay.

    Example: expunge calibrate zoo:faces --data zoo:faces --out memory

    --out receives memory.json and one file a class. Interrupted, it leaves nothing.
    """
    from expunge.data import align
    from expunge.memory import check_free
    from expunge.runs import calibrate_to, load, read
    from expunge.tasks import task_of
    from expunge.vision import choose_device

    choose_device(device)
    check_free(out)
    with errors.status("loading model and images"):
        loaded = load(model, task=task, device=device)
        if not task_of(loaded).memories:
            raise ClassMemoryError(f"no statistics are kept of an {task_of(loaded).noun}, and {model} is one")
        splits = read(data, like=loaded, seed=seed, skip_unreadable=skip_unreadable)
        images = align(splits, loaded.classes, partial=partial).train
    for path in splits.skipped:
        errors.print(f"[yellow]skipped[/] {escape(path)}: not a readable image")
    with heed_ctrl_c(), progress_bar() as show:
        done = calibrate_to(loaded, images, out, depth=depth, rank=rank, report=show)
    output.print(
        f"classes: {done.classes} of {len(loaded.classes)}\nimages: {done.images:,}\nbytes: {done.bytes:,}\n"
        f"seconds: {done.seconds:.1f}\nmemory: {out}, what enters block {done.entry}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
