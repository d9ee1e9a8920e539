"""Ladder of settings to try when the policy says no: a short, explicit list, each deeper than the last."""

from dataclasses import fields, replace
from typing import Any, TypeVar

from expunge.evidence import HOPELESS
from expunge.methods import Method
from expunge.vision import Wrapped

M = TypeVar("M", bound=Method)
MOST_STEPS = 3
DEPTHS = ("fast", "default", "thorough")


def ladder(first: M, model: Wrapped, lowest: int = 0) -> tuple[M, ...]:
    """The settings to try, at most three, beginning with those that were asked for.

    A method with `depth` next takes the next depth at which it edits more blocks. One with `last_blocks` next edits
    twice as many of them, up to all. Once it edits all, a method with `max_steps` and `epochs` trains twice as long. A
    method with none of these has one rung.

    Args:
        first: The method as it was asked for.
        model: The model to be edited.
        lowest: Index of the lowest block that `depth` may lead to.
    """
    rungs: list[Any] = [first]
    while len(rungs) < MOST_STEPS and (deeper := _deeper(rungs[-1], model, lowest)) is not None:
        rungs.append(deeper)
    return tuple(rungs)


def goes_on(outcome: str) -> bool:
    """Whether the next rung may better a verdict: it only widens a hole that shows, and brings no evidence."""
    return outcome not in (*HOPELESS, "erased")


def _deeper(method: Any, model: Wrapped, lowest: int) -> Any | None:
    known, blocks = {field.name for field in fields(method)}, len(model.blocks)
    if "depth" in known and method.depth in DEPTHS:
        below = [replace(method, depth=depth) for depth in DEPTHS[DEPTHS.index(method.depth) + 1 :]]
        now = method.first_block(model)
        return next((one for one in below if lowest <= one.first_block(model) < now), None)
    if "last_blocks" in known and 0 < method.last_blocks < blocks:
        wider = 2 * method.last_blocks
        return replace(method, last_blocks=wider if wider < blocks else 0)
    if {"max_steps", "epochs"} <= known:
        return replace(method, max_steps=2 * method.max_steps, epochs=2 * method.epochs)
    return None
