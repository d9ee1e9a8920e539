"""Options of every command about the log: `expunge --log-format json run --watch`."""

from enum import StrEnum
from typing import Annotated

import typer

from expunge.logs import silence, write_to_stderr, writing


class Level(StrEnum):
    """Levels of logging."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Form(StrEnum):
    """Formats of log lines."""

    TEXT = "text"
    JSON = "json"


def log_options(
    log_level: Annotated[
        Level | None, typer.Option(help="Log on stderr, from this level on. By itself only `run --watch` logs.")
    ] = None,
    log_format: Annotated[
        Form | None, typer.Option(help="Log on stderr as text, or as one JSON object a line.")
    ] = None,
) -> None:
    """Forget classes and people from pre-trained vision models, with evidence."""
    silence()
    if log_level or log_format:
        write_to_stderr(log_level or Level.INFO, log_format or Form.TEXT)


def log_by_itself() -> None:
    """Logs as text, unless the options have said how."""
    if not writing():
        write_to_stderr(Level.INFO, Form.TEXT)
