"""JSON with one spelling (RFC 8785), and a reader that refuses whatever two readers could understand differently."""

import json
import math
from typing import Any

import rfc8785

from expunge.errors import MalformedRecordError


def canonical(value: Any) -> bytes:
    """The one spelling of a JSON value by RFC 8785, in UTF-8.

    Raises:
        MalformedRecordError: Not a JSON value, not finite, or an integer that JSON's doubles cannot hold.
    """
    try:
        return rfc8785.dumps(value)
    except (ValueError, RecursionError) as error:
        raise MalformedRecordError(f"This cannot be written as canonical JSON: {error}.") from error


def parse_json(data: bytes, *, limit: int, what: str) -> Any:
    """Reads JSON strictly.

    Args:
        data: UTF-8 text without a byte order mark.
        limit: Most bytes that are read at all.
        what: What is read, for messages: "ledger entry".

    Raises:
        MalformedRecordError: Too large, not UTF-8, not JSON, a key given twice in one object, a number that
            is not finite, half of a surrogate pair, or nested too deeply.
    """
    if len(data) > limit:
        raise MalformedRecordError(f"A {what} has at most {limit:,} bytes, this one has {len(data):,}.")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_finite, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeError as error:
        raise MalformedRecordError(f"This {what} is not UTF-8 text.") from error
    except RecursionError as error:
        raise MalformedRecordError(f"This {what} is nested too deeply.") from error
    except ValueError as error:
        raise MalformedRecordError(f"This {what} is not JSON: {error}.") from error
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice in one object")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is not finite")
    return value
