"""Base of all signed records: frozen, strict, nothing unknown, one version each."""

import re
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from expunge.errors import MalformedRecordError, NewerSchemaError
from expunge.ledger._canonical import canonical, parse_json
from expunge.ledger.text import from_base64, microseconds


def _a_moment(text: str) -> str:
    microseconds(text)
    return text


def _a_hash(text: str) -> str:
    if len(from_base64(text)) != 32:
        raise ValueError("expected 32 bytes in base64")
    return text


Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""A digest, 64 hexadecimal digits."""
Base64Hash = Annotated[str, AfterValidator(_a_hash)]
"""A hash of the tree, 32 bytes in base64."""
Moment = Annotated[str, AfterValidator(_a_moment)]
"""A time in UTC by RFC 3339."""
Token = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")]
"""A code or a pseudonym: no spaces, no `@`, no letters beyond ASCII, so neither prose nor an address."""
Count = Annotated[int, Field(ge=0, lt=2**53)]
"""A number of things, within what JSON's doubles hold exactly."""


class Record(BaseModel):
    """A frozen value with a fixed set of fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)

    def to_bytes(self) -> bytes:
        """This record as canonical JSON (RFC 8785)."""
        return canonical(self.model_dump(mode="json", by_alias=True))


R = TypeVar("R", bound=Record)


def read_record(model: type[R], data: bytes, *, limit: int, what: str, version: tuple[str, str]) -> R:
    """Reads a record strictly.

    Args:
        model: What it must be.
        data: Its JSON.
        limit: Most bytes that are read at all.
        what: What is read, for messages.
        version: The field that holds the version, and what it must hold, ending in `/v` and a number.

    Raises:
        NewerSchemaError: It follows a later version of its schema.
        MalformedRecordError: It does not follow its schema; the message names the first wrong field, and
            never repeats what stands there.
    """
    value = parse_json(data, limit=limit, what=what)
    _require_version(value, what, *version)
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        raise MalformedRecordError(f"This {what} does not follow {version[1]}: {first_problem(error)}.") from error


def first_problem(error: ValidationError) -> str:
    """The first field that is wrong, and how, without the value found there."""
    first, *others = error.errors(include_url=False, include_input=False, include_context=False)
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    more = f" (and {len(others)} more)" if others else ""
    return f"{field}: {first['msg'].removeprefix('Value error, ')}{more}"


def _require_version(value: Any, what: str, field: str, known: str) -> None:
    found = value.get(field) if isinstance(value, dict) else None
    family, _, number = known.rpartition("/v")
    later = re.fullmatch(re.escape(family) + r"/v([1-9][0-9]{0,5})", found) if isinstance(found, str) else None
    if later and int(later[1]) > int(number):
        raise NewerSchemaError(f"This {what} follows {found}, and this version of expunge knows {known}. Update it.")
    if found != known:
        raise MalformedRecordError(f"This is not a {what}: expected {field} to be {known}.")
