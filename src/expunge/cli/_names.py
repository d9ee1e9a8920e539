"""Options that take names: several, A,B, and that of a task."""

from typing import Annotated

import typer

from expunge.errors import RequestError

TaskOption = Annotated[
    str | None,
    typer.Option("--task", help="What the model does, such as detection; where several tasks could take it."),
]


def split_names(text: str, option: str) -> tuple[str, ...]:
    """The names in the value of an option, in order.

    Raises:
        RequestError: One of them is empty.
    """
    names = tuple(part.strip() for part in text.split(","))
    if not all(names):
        raise RequestError(f"{option} takes names separated by commas, got {text!r}")
    return names
