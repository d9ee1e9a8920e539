"""Cells that were left out on purpose, with reasons: `not-run.toml` beside the results."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from expunge.errors import CorruptRunError


class LeftOut(BaseModel):
    """Cells that were not run.

    Attributes:
        suite: Name of the suite.
        setting: Name of its setting, or "all".
        methods: Names of the methods.
        why: The reason, as it stands on the page.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    suite: str
    setting: str
    methods: tuple[str, ...]
    why: str


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    cells: tuple[LeftOut, ...] = ()


def load_not_run(file: Path) -> tuple[LeftOut, ...]:
    """Cells that a `not-run.toml` lists, one `[[cells]]` each; none if there is no such file.

    Raises:
        CorruptRunError: It is not TOML, or does not have these keys.
    """
    if not file.exists():
        return ()
    try:
        return _File.model_validate(tomllib.loads(file.read_text(encoding="utf-8"))).cells
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValidationError) as error:
        first = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else error
        raise CorruptRunError(f"{file}: expected [[cells]] with suite, setting, methods and why: {first}") from error


def as_table(found: Sequence[LeftOut]) -> str:
    """A Markdown table; empty where nothing was left out."""
    if not found:
        return ""
    lines = [f"| {one.suite} | {one.setting} | {', '.join(one.methods)} | {one.why} |" for one in found]
    return "\n".join(["| suite | setting | methods | why |", "|---|---|---|---|", *lines])
