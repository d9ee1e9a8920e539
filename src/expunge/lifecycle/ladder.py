"""What is tried next when the policy says no: a short, explicit list of settings, each deeper than the last."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, cast

from expunge.methods import Method, make_method

MOST_STEPS = 3


def ladder(name: str, preset: str | None, settings: Mapping[str, object], blocks: int) -> tuple[Method, ...]:
    """The settings to try, at most three, beginning with those that were asked for.

    A method with `last_blocks` next edits twice as many of them, up to all. Once it edits all, a method with
    `max_steps` and `epochs` trains twice as long. A method with neither has one rung.

    Args:
        name: Name of the method.
        preset: A named set of its settings.
        settings: Single settings on top.
        blocks: How many blocks the model has.

    Raises:
        MethodError: There is no such method, preset or setting.
    """
    rungs: list[Any] = [make_method(name, preset=preset, settings=settings)]
    while len(rungs) < MOST_STEPS and (deeper := _deeper(rungs[-1], blocks)) is not None:
        rungs.append(deeper)
    return cast(tuple[Method, ...], tuple(rungs))


def _deeper(method: Any, blocks: int) -> Any | None:
    known = {field.name for field in fields(method)}
    if "last_blocks" in known and 0 < method.last_blocks < blocks:
        wider = 2 * method.last_blocks
        return replace(method, last_blocks=wider if wider < blocks else 0)
    if {"max_steps", "epochs"} <= known:
        return replace(method, max_steps=2 * method.max_steps, epochs=2 * method.epochs)
    return None
