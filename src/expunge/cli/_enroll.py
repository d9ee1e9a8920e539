"""`expunge enroll MODEL --data DIR --out OUT`."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from expunge.cli._console import errors, output
from expunge.cli._names import TaskOption


def enroll(
    model: Annotated[
        str, typer.Argument(help="An embedder: a directory or hub id of a backbone, or a model whose head is left out.")
    ],
    data: Annotated[str, typer.Option(help="Photos: a folder with train/<person>/* and test/<person>/*, or zoo:NAME.")],
    out: Annotated[Path, typer.Option(help="A new or empty folder for the embedder with its gallery.")],
    pooling: Annotated[
        Literal["cls", "mean", "pooler", "projected"] | None,
        typer.Option(help="How tokens become one embedding; by default as the model says, else the class token."),
    ] = None,
    photos: Annotated[int | None, typer.Option(min=1, help="Photos of each person at the most.")] = None,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out images that cannot be decoded.")
    ] = False,
    task: TaskOption = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
) -> None:
    """Make a gallery for an embedder: every training photo of a person becomes a row under the person's name.

    Example: expunge enroll backbone/ --data people/ --out embedder/

    --out is a model for every other command: `expunge forget embedder/ --data people/ --request NAME`.
    """
    from expunge.durable import whole_folder
    from expunge.memory import check_free
    from expunge.runs import load, read
    from expunge.tasks.embedding import enroll as enrolled
    from expunge.tasks.embedding import load_unenrolled
    from expunge.vision import choose_device

    target = choose_device(device)
    check_free(out)
    with errors.status("loading the model"):
        bare = None if model.startswith("zoo:") else load_unenrolled(model)
        loaded, preprocess = (load(model, task=task, device="cpu"), None) if bare is None else bare
    with errors.status("looking at the photos"):
        people = read(data, task="classification", skip_unreadable=skip_unreadable)
        known = people.train + people.validation
        made = enrolled(loaded.to(target), known, preprocess=preprocess, pooling=pooling, rows=photos)
    for path in people.skipped:
        errors.print(f"[yellow]skipped[/] {escape(path)}: not a readable image")
    with whole_folder(out) as partial:
        made.to("cpu").save(partial)
    output.print(
        f"people: {len(made.classes)}\nrows: {sum(made.gallery.counts())} of {made.gallery.weight.shape[1]} numbers\n"
        f"scale: {made.gallery.scale:g}\nembedder: {out}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
