"""`expunge forget MODEL --data DIR --request A,B …`."""

from pathlib import Path
from typing import Annotated

import typer

from expunge.cli._execute import ForgetOptions, execute
from expunge.cli._method import DepthOption, MethodOption, PresetOption, SetOption, settings_of
from expunge.cli._names import TaskOption, split_names
from expunge.cli._onnx_options import ClassesOption, PreprocessOption


def forget(
    model: Annotated[str, typer.Argument(help="A directory, an ONNX file, a hub id or zoo:NAME.")],
    data: Annotated[
        str,
        typer.Option(help="Folder with train/<class>/* and test/<class>/*; for a detector COCO's layout; or zoo:NAME."),
    ],
    request: Annotated[
        list[str], typer.Option(help="Classes to forget together, A,B; repeat it for requests that follow.")
    ],
    shots: Annotated[int | None, typer.Option(min=1, help="Training images a class that may be used.")] = None,
    missing: Annotated[str, typer.Option(help="Retained classes without images, D,E.")] = "",
    replay: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Part of the retained training images that may be used.")
    ] = 1.0,
    method: MethodOption = "auto",
    depth: DepthOption = None,
    preset: PresetOption = None,
    set_: SetOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Seeds the splits and the method.")] = 0,
    out: Annotated[Path, typer.Option(help="A new or empty folder for results.")] = Path("expunge-run"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out images that cannot be decoded.")
    ] = False,
    partial: Annotated[bool, typer.Option("--partial", help="The data may lack some of the model's classes.")] = False,
    memory: Annotated[
        Path | None, typer.Option(help="What `expunge calibrate` wrote, in place of retained images; it is only read.")
    ] = None,
    classes: ClassesOption = None,
    preprocess: PreprocessOption = None,
    task: TaskOption = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
) -> None:
    """Make MODEL forget the classes of each request, in order, and measure every step.

    Example: expunge forget zoo:faces --data zoo:faces --request s01,s02 --request s03

    MODEL is an image classifier or an object detector with DETR's shape; --data has the layout that it needs.

    --out receives metrics.json, report.html, edits/ (PEFT layout) and model/ (the merged model; of an ONNX file
    model/model.onnx, the same graph with only the edited numbers changed).
    """
    asked = ForgetOptions(
        model=model,
        data=data,
        requests=tuple(split_names(one, "--request") for one in request),
        missing=split_names(missing, "--missing") if missing else (),
        shots=shots,
        replay=replay,
        method=method,
        preset=preset,
        settings=settings_of(set_, depth),
        seed=seed,
        skip_unreadable=skip_unreadable,
        partial=partial,
        memory=None if memory is None else str(memory),
        classes=None if classes is None else str(classes),
        preprocess=None if preprocess is None else str(preprocess),
        task=task,
    )
    execute(asked, out=out, resume=resume, device=device, title=f"What {model} forgot")
