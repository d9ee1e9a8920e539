"""The log: what happens, as events with fields, under the standard library's logger `expunge`.

Nothing personal may be in it: a log travels further than a workspace does, and outlives it. Classes are people's
names, paths and reasons tell of them, so none of these has a field. `tell` is the one place where the package logs, and
it lets through the fields of `FIELDS` alone, each with values of its own pattern.

A program that uses the package sees nothing until it adds a handler of its own; `write_to_stderr` adds ours.
"""

import json
import logging
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

ROOT: Final = "expunge"
WITHHELD: Final = "withheld"
_CODE, _NUMBER = re.compile(r"[a-z][a-z0-9 _-]{0,39}"), re.compile(r"[0-9]{1,15}")
FIELDS: Final[Mapping[str, re.Pattern[str]]] = {
    "request": re.compile(r"r-[0-9a-z]{10}"),
    "step": _CODE,
    "state": _CODE,
    "role": _CODE,
    "sha256": re.compile(r"[0-9a-f]{64}"),
    "count": _NUMBER,
    "error": re.compile(r"[A-Za-z][A-Za-z0-9]{0,79}"),
}
"""Fields that may be logged, with patterns: IDs that say nothing, the package's own codes, digests, counts, and the
class of an error, never its words."""

logging.getLogger(ROOT).addHandler(logging.NullHandler())


def tell(
    logger: logging.Logger, event: str, *, level: int = logging.INFO, **fields: str | int | Sequence[str] | None
) -> None:
    """Logs an event.

    Args:
        logger: The module's own.
        event: What happened: a code.
        level: How grave it is.
        **fields: Fields of `FIELDS`; None is left out. A value that does not fit its pattern is withheld.

    Raises:
        ValueError: There is no such field.
    """
    if unknown := fields.keys() - FIELDS.keys():
        raise ValueError(f"expected fields of {', '.join(FIELDS)}, got {', '.join(sorted(unknown))}")
    if logger.isEnabledFor(level):
        logger.log(level, event, extra={name: _fit(name, value) for name, value in fields.items() if value is not None})


def telling(
    logger: logging.Logger, reached: Callable[[str], None], request: str | Sequence[str]
) -> Callable[[str], None]:
    """A callback that is told of steps, with each of them logged as well."""

    def both(step: str) -> None:
        tell(logger, "step", step=step, request=request)
        reached(step)

    return both


def write_to_stderr(level: str, form: str) -> None:
    """Writes the log to stderr, in place of what an earlier call has set.

    Args:
        level: From which level on: "info", "warning" or "error".
        form: "text" or "json".
    """
    silence()
    handler = _Stderr()
    handler.setFormatter({"text": TextForm, "json": JsonForm}[form]())
    logger = logging.getLogger(ROOT)
    logger.addHandler(handler)
    logger.setLevel(level.upper())


def writing() -> list[logging.Handler]:
    """Handlers that `write_to_stderr` has set."""
    return [handler for handler in logging.getLogger(ROOT).handlers if isinstance(handler, _Stderr)]


def silence() -> None:
    """Takes back what `write_to_stderr` has set."""
    logger = logging.getLogger(ROOT)
    for handler in writing():
        logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


class JsonForm(logging.Formatter):
    """One JSON object a line: time, level, event, then fields. Arguments and tracebacks are never written."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return json.dumps(
            {"time": _time(record), "level": record.levelname, "event": _event(record), **_fields(record)}
        )


class TextForm(logging.Formatter):
    """The same for the eye: `2026-11-30T22:10:00Z INFO step step=judged request=r-7k3m9q2x4c`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        fields = (f"{name}={value if ' ' not in value else json.dumps(value)}" for name, value in _flat(record))
        return " ".join((_time(record), record.levelname, _event(record), *fields))


class _Stderr(logging.Handler):
    """Writes to what stderr is at that moment, so that a progress bar can make room."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(f"{self.format(record)}\n")
            sys.stderr.flush()
        except Exception:  # as all handlers: a closed pipe stops no run
            self.handleError(record)


def _fit(name: str, value: str | int | Sequence[str]) -> str | int | list[str]:
    if isinstance(value, str | int):
        # Plain text: a StrEnum is one of the package's own codes.
        plain = value if isinstance(value, int) else str(value)
        return plain if FIELDS[name].fullmatch(str(plain)) else WITHHELD
    return [str(_fit(name, one)) for one in value]


def _event(record: logging.LogRecord) -> str:
    return str(record.msg) if _CODE.fullmatch(str(record.msg)) else WITHHELD


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name in FIELDS}


def _flat(record: logging.LogRecord) -> list[tuple[str, str]]:
    return [
        (name, ",".join(value) if isinstance(value, list) else str(value)) for name, value in _fields(record).items()
    ]


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
