"""`expunge serve-check A B --data DIR`."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from expunge.cli._console import errors, output
from expunge.cli._names import TaskOption
from expunge.errors import EmptyClassError, HeadError, OutputError

if TYPE_CHECKING:
    from expunge.release import Comparison
    from expunge.vision import VisionModel, Wrapped

PAGE, DATA = "serve-check.html", "serve-check.json"
SHOWN = 10


def serve_check(
    a: Annotated[
        str, typer.Argument(help="Served today: a release, a folder of releases, a model, a hub id or zoo:NAME.")
    ],
    b: Annotated[str, typer.Argument(help="What would be served instead, with the same classes.")],
    data: Annotated[Path, typer.Option(help="Your images: a plain folder, or one with a sub-folder for each class.")],
    out: Annotated[Path | None, typer.Option(help="A new or empty folder for a page with the changed images.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out images that cannot be decoded.")
    ] = False,
    task: TaskOption = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
) -> None:
    """Compare the answers of two releases on your own images.

    Example: expunge serve-check releases/0001 releases/0002 --data my-photos/ --out check/

    --out receives serve-check.html, which shows the images that are decided differently, and serve-check.json.
    """
    from expunge.release import answers, compare, list_pictures, readable, require_same_classes

    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out} is not an empty folder; give --out a new one")
    with errors.status("loading models"):
        models = [_load_classifier(source, task, device) for source in (a, b)]
        require_same_classes(models[0], models[1])
    images, labels = list_pictures(data, models[0].classes)
    if skip_unreadable:
        good = readable(images)
        for place in sorted(set(range(len(images))) - set(good)):
            errors.print(f"[yellow]skipped[/] {escape(str(images[place].path))}: not a readable image")
        if not good:
            raise EmptyClassError(f"No image in {data} can be read.")
        images, labels = tuple(images[i] for i in good), labels and tuple(labels[i] for i in good)
    with errors.status(f"asking both models about {len(images):,} images"):
        logits = answers(models, images)
    import torch

    found = compare(logits[0], logits[1], models[0].classes, None if labels is None else torch.tensor(labels))
    values = found.to_json([image.name for image in images])
    text = json.dumps({"a": _name(a, models[0]), "b": _name(b, models[1]), **values}, indent=2, ensure_ascii=False)
    if out is not None:
        from expunge.release import write_page

        write_page(out, found, images, a=a, b=b, texts={DATA: text + "\n"}, page=PAGE)
    if as_json:
        typer.echo(text)
    else:
        _show(found, out)


def _load_classifier(source: str, task: str | None, device: str) -> "VisionModel":
    """The model of `_load`, which must be a classifier.

    Raises:
        HeadError: It is a detector.
    """
    from expunge.tasks import task_of
    from expunge.vision import VisionModel

    model = _load(source, task, device)
    if not isinstance(model, VisionModel):
        raise HeadError(f"{source} is an {task_of(model).noun}; serve-check compares classifiers only.")
    return model


def _load(source: str, task: str | None, device: str) -> "Wrapped":
    """A release, or the current one of a folder, is checked against its record; anything else loads as everywhere."""
    from expunge.release import CURRENT, FILE, Releases, read_release
    from expunge.runs import load
    from expunge.vision import choose_device

    folder = Path(source).absolute()
    on_cpu = partial(load, task=task, device="cpu")
    if (folder / CURRENT).is_file():
        return Releases(folder, on_cpu).load().to(choose_device(device))
    if (folder / FILE).is_file():
        return Releases(folder.parent, on_cpu).load(read_release(folder / FILE).number).to(choose_device(device))
    return load(source, task=task, device=device)


def _name(source: str, model: "VisionModel") -> dict[str, str]:
    return {"source": source, "sha256": model.digest()}


def _show(found: "Comparison", out: Path | None) -> None:
    rate, ends = found.agreement, found.interval
    output.print(
        f"both decide alike: [bold]{rate.percent:.1f} %[/] of {rate.n:,} images "
        f"(95 % interval {ends.low:.1f}–{ends.high:.1f}), {len(found.changed):,} decided differently",
        highlight=False,
    )
    change = found.confidence_change
    output.print(
        f"mean confidence: {found.confidence_a:.1f} → {found.confidence_b:.1f} % "
        f"(95 % interval of the change {change.low:+.1f} to {change.high:+.1f} points)",
        highlight=False,
    )
    if found.mcnemar and found.right_a and found.right_b:
        test = found.mcnemar
        output.print(
            f"accuracy: {found.right_a.percent:.1f} → {found.right_b.percent:.1f} %; right in A alone {test.only_a:,}, "
            f"in B alone {test.only_b:,}; McNemar p = {test.p:.3g}",
            highlight=False,
        )
    moved = [one for one in found.classes if one.a != one.both or one.b != one.both]
    if moved:
        table = Table(title="Classes that changed most", box=SIMPLE_HEAD, padding=(0, 2, 0, 0))
        table.add_column("class")
        for heading in ("A", "B", "both"):
            table.add_column(heading, justify="right")
        for one in moved[:SHOWN]:
            table.add_row(escape(one.name), *(f"{count:,}" for count in (one.a, one.b, one.both)))
        output.print(table)
    if out is not None:
        output.print(f"page: {escape(str(out / PAGE))}", soft_wrap=True, highlight=False)
    elif found.changed:
        output.print("Add --out DIR for a page that shows the changed images.", highlight=False)
