"""`expunge demo`: real people, forgotten one request after another, by a face recogniser or by a detector."""

from dataclasses import fields
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer

from expunge.cli._execute import ForgetOptions, execute
from expunge.cli._method import DepthOption, MethodOption, settings_of

REQUESTS, PEOPLE_EACH = 4, 5
FOUND_EACH = 2
"""People a request in the scenes, where 24 are to be found."""

STEPS = 45
"""For methods that train: fewer than by default, to be done in minutes on two slow cores."""


def demo(
    out: Annotated[Path | None, typer.Option(help="A new or empty folder; by default expunge-demo.")] = None,
    task: Annotated[
        Literal["classification", "detection"], typer.Option(help="What the model that forgets does.")
    ] = "classification",
    method: MethodOption = "auto",
    depth: DepthOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Seeds the split and the method.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted demo in --out.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
) -> None:
    """Make a face recogniser forget 20 of 40 people in four requests; a few minutes on two cores.

    With --task detection a detector forgets 8 of the 24 people it finds in composed scenes.

    Example: expunge demo --task detection --out my-demo
    """
    settings = settings_of(None, depth)
    asked, title = DEMOS[task](method, settings, seed)
    execute(asked, out=out or _free_folder(), resume=resume, device=device, title=title)


def _faces(method: str, settings: dict[str, object], seed: int) -> tuple[ForgetOptions, str]:
    from expunge.zoo import ENTRIES, PEOPLE, PREFIX

    name = f"{PREFIX}faces"
    people = [PEOPLE[i * PEOPLE_EACH : (i + 1) * PEOPLE_EACH] for i in range(REQUESTS)]
    asked = ForgetOptions(
        model=name,
        data=name,
        requests=tuple(people),
        method=method,
        settings=_budget(method, ENTRIES["faces"].tuned_blocks) | settings,
        seed=seed,
    )
    return asked, f"A face recogniser forgets {REQUESTS * PEOPLE_EACH} of {len(PEOPLE)} people"


def _scenes(method: str, settings: dict[str, object], seed: int) -> tuple[ForgetOptions, str]:
    from expunge.zoo import PREFIX
    from expunge.zoo.scenes import CLASSES

    name = f"{PREFIX}scenes"
    people = [CLASSES[i * FOUND_EACH : (i + 1) * FOUND_EACH] for i in range(REQUESTS)]
    asked = ForgetOptions(model=name, data=name, requests=tuple(people), method=method, settings=settings, seed=seed)
    return asked, f"A detector forgets {REQUESTS * FOUND_EACH} of {len(CLASSES)} people"


def _budget(method: str, blocks: int) -> dict[str, object]:
    """Settings that spare a method that trains the work on blocks never tuned; others have no such settings."""
    from expunge.methods import make_method

    known = {field.name for field in fields(cast(Any, make_method(method)))}
    return {name: value for name, value in {"last_blocks": blocks, "max_steps": STEPS}.items() if name in known}


DEMOS = {"classification": _faces, "detection": _scenes}
"""Task -> what is asked, and the title of its report."""


def _free_folder() -> Path:
    """`expunge-demo`, or the first of `expunge-demo-2`, `-3`, … that is free."""
    names = (Path("expunge-demo" if n == 1 else f"expunge-demo-{n}") for n in count(1))
    return next(path for path in names if not path.exists())
