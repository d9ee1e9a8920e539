"""`expunge demo`: real people, forgotten one request after another."""

from itertools import count
from pathlib import Path
from typing import Annotated

import typer

from expunge.cli.execute import Asked, execute

REQUESTS, PEOPLE_EACH = 4, 5
STEPS = 45
"""Fewer than by default, to be done in minutes on two slow cores."""


def demo(
    out: Annotated[Path | None, typer.Option(help="A new or empty folder; by default expunge-demo.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seeds the split and the method.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted demo in --out.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
) -> None:
    """Make a face recogniser forget 20 of 40 people in four requests; a few minutes on two cores.

    Example: expunge demo --out my-demo
    """
    from expunge.zoo import ENTRIES, PREFIX
    from expunge.zoo.orl import PEOPLE

    name = f"{PREFIX}faces"
    people = [PEOPLE[i * PEOPLE_EACH : (i + 1) * PEOPLE_EACH] for i in range(REQUESTS)]
    asked = Asked(
        model=name,
        data=name,
        requests=tuple(people),
        settings={"last_blocks": ENTRIES["faces"].tuned_blocks, "max_steps": STEPS},
        seed=seed,
    )
    title = f"A face recogniser forgets {REQUESTS * PEOPLE_EACH} of {len(PEOPLE)} people"
    execute(asked, out=out or _free_folder(), resume=resume, device=device, title=title)


def _free_folder() -> Path:
    """`expunge-demo`, or the first of `expunge-demo-2`, `-3`, … that is free."""
    names = (Path("expunge-demo" if n == 1 else f"expunge-demo-{n}") for n in count(1))
    return next(path for path in names if not path.exists())
