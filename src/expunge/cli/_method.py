"""Options of the commands that choose a method and its settings."""

from collections.abc import Sequence
from typing import Annotated, Literal

import typer

from expunge.errors import MethodError

MethodOption = Annotated[str, typer.Option("--method", help="One of `expunge methods`, which says what auto is.")]
DepthOption = Annotated[
    Literal["fast", "default", "thorough"] | None,
    typer.Option(
        "--depth", help="How far down the edit reaches; with auto a quarter, half or three quarters of the blocks."
    ),
]
PresetOption = Annotated[str | None, typer.Option("--preset", help="A named set of settings, e.g. published.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="One setting of the method, KEY=VALUE; may be repeated.")
]


def settings_of(single: Sequence[str] | None, depth: str | None) -> dict[str, object]:
    """The settings that a command was given, `--depth` among them.

    Args:
        single: What `--set` was given.
        depth: What `--depth` was given.

    Raises:
        MethodError: Something is not KEY=VALUE, or the depth is said twice.
    """
    found: dict[str, object] = dict(_setting(one) for one in single or ())
    if depth is None:
        return found
    if "depth" in found:
        raise MethodError(f"--depth {depth} and --set depth={found['depth']} say the same thing; leave one out")
    return {**found, "depth": depth}


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals and value):
        raise MethodError(f"--set takes KEY=VALUE, e.g. --set epochs=20, got {text!r}")
    return key, value
