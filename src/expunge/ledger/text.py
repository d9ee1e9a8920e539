"""Bytes as text and back, with exactly one spelling each."""

import base64
import binascii
import re

_DAYS_BEFORE_MONTH = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_MOMENT = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,6}))?Z")


def to_base64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648, section 4)."""
    return base64.b64encode(data).decode("ascii")


def from_base64(text: str) -> bytes:
    """The bytes that `to_base64` wrote.

    Raises:
        ValueError: Another alphabet, wrong padding, white space, or unused bits that are not zero.
    """
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ValueError("expected base64 with padding") from error
    if to_base64(data) != text:
        raise ValueError("expected base64 in its one canonical spelling")
    return data


def microseconds(moment: str) -> int:
    """Microseconds since 1970 of a moment in UTC as RFC 3339 writes it, `2026-11-24T09:00:00Z`.

    The ledger reads no clock; it needs to compare times, and nothing more of a calendar than this.

    Raises:
        ValueError: Not such a moment, or not a day of the calendar.
    """
    found = _MOMENT.fullmatch(moment)
    if found is None:
        raise ValueError("expected a time in UTC like 2026-11-24T09:00:00Z")
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not (year and 1 <= month <= 12 and hour < 24 and minute < 60 and second < 60):
        raise ValueError("expected a time of the calendar in UTC")
    before = (*_DAYS_BEFORE_MONTH, 365)
    length = before[month] - before[month - 1] + (leap and month == 2)
    if not 1 <= day <= length:
        raise ValueError("expected a day of the calendar in UTC")
    past = year - 1
    days = past * 365 + past // 4 - past // 100 + past // 400 + before[month - 1] + (leap and month > 2) + day - 719163
    seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
    return seconds * 1_000_000 + int((found[7] or "").ljust(6, "0"))
