"""`expunge bench speed`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from expunge.cli._console import output, progress_bar
from expunge.cli._interrupt import heed_ctrl_c
from expunge.cli._names import split_names
from expunge.errors import BenchError, OutputError


def speed(
    out: Annotated[Path, typer.Option(help="A folder for speed.json and speed.md; what is there is replaced.")],
    models: Annotated[str, typer.Option(help="Models, A,B; by default the zoo's and two large random ones.")] = "",
    images: Annotated[str, typer.Option(help="Numbers of images a class, N,M; by default 1,4,16,64.")] = "",
    methods: Annotated[
        str, typer.Option(help="Methods and `oracle`, A,B; by default ours, the published rivals, the oracle.")
    ] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    minutes: Annotated[int, typer.Option(min=1, help="How long it may take, about; more of it leaves less out.")] = 13,
    quick: Annotated[bool, typer.Option("--quick", help="A tiny model for seconds, to see that it runs.")] = False,
) -> None:
    """Time methods side by side in one process: seconds, memory, images read; then how the first one's seconds grow.

    Of long schedules a few steps are timed. What would take too long is left out, and the result says so.

    Example: expunge bench speed --models zoo:glyphs --images 4,16 --out speed/
    """
    from expunge.bench.speed import run_speed, write
    from expunge.runs import Stage
    from expunge.tasks import Progress
    from expunge.vision import choose_device

    options = {"--models": models, "--images": images, "--methods": methods}
    parts = {option: split_names(text, option) if text else () for option, text in options.items()}
    counts = _numbers(parts["--images"])
    given = [f"{option} {text}" for option, text in options.items() if text]
    more = ["--quick"] if quick else [f"--minutes {minutes}"]
    command = " ".join(["expunge bench speed", *given, *more, "--out DIR"])
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write to {out}: {error.strerror}. Choose another --out.") from error
    with heed_ctrl_c(), progress_bar() as show:

        def report(what: str, progress: Progress) -> None:
            show(Stage(what, progress))

        result = run_speed(
            models=parts["--models"],
            images=counts,
            methods=parts["--methods"],
            device=choose_device(device),
            minutes=minutes,
            quick=quick,
            command=command,
            report=report,
        )
    for path in write(result, out):
        output.print(escape(str(path)), highlight=False, soft_wrap=True)


def _numbers(parts: tuple[str, ...]) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in parts)
    except ValueError as error:
        raise BenchError(f"--images takes whole numbers, got {','.join(parts)!r}, e.g. --images 1,4") from error
