"""`expunge inspect MODEL`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from expunge.cli._console import output
from expunge.cli._names import TaskOption
from expunge.cli._onnx_options import ClassesOption, PreprocessOption, refuse_in_vain, told_of

if TYPE_CHECKING:
    from expunge.vision import Layer


def inspect(
    model: Annotated[str, typer.Argument(help="A directory, an ONNX file, a hub id or zoo:NAME.")],
    task: TaskOption = None,
    classes: ClassesOption = None,
    preprocess: PreprocessOption = None,
    out: Annotated[
        Path | None,
        typer.Option(help="A new or empty folder for a model directory, which keeps classes and preprocessing."),
    ] = None,
) -> None:
    """Show a classifier's or detector's blocks, their layers, groups and parameter counts.

    Example: expunge inspect zoo:faces

    With --out, an ONNX file becomes a model directory, which every command takes without further options.
    """
    from expunge.runs import load
    from expunge.tasks import task_of
    from expunge.vision.detection import DetectionModel

    refuse_in_vain([model], classes, preprocess)
    loaded = load(model, task=task, **told_of(model, classes, preprocess))
    table = Table(title=f"{escape(loaded.name)}: {len(loaded.blocks)} blocks, each one group")
    for heading in ("block", "layer", "in → out"):
        table.add_column(heading)
    table.add_column("parameters", justify="right")
    for block in loaded.blocks:
        for position, name in enumerate(block.linears):
            layer = loaded.layer(name)
            table.add_row(
                block.name if position == 0 else "",
                name.removeprefix(f"{block.name}."),
                f"{_inputs(layer)} → {layer.width}",
                f"{sum(p.numel() for p in layer.module.parameters()):,}",
                end_section=position == len(block.linears) - 1,
            )
    output.print(table)
    kind = loaded.kind if isinstance(loaded, DetectionModel) else loaded.head.kind
    what = task_of(loaded).noun
    made_by = f", rows from the text model {escape(loaded.text_model)}" if loaded.text_model else ""
    output.print(
        f"task: {what}\nhead: {escape(loaded.head_name)} ({kind}), {len(loaded.classes)} classes{made_by}\n"
        f"parameters: {loaded.num_parameters:,}\nsha256: {loaded.digest()}",
        highlight=False,
        soft_wrap=True,
    )
    if out is not None:
        loaded.save(out)
        output.print(f"model directory: {escape(str(out))}", highlight=False, soft_wrap=True)


def _inputs(layer: "Layer") -> str:
    """Channels that the layer reads, and the kernel with which it does, such as "64 · 3 × 3"."""
    channels, *kernel = layer.weight.shape[1:]
    sides = " × ".join(str(side) for side in kernel)
    return f"{channels} · {sides}" if sides else str(channels)
