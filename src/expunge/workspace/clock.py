"""Time as a workspace writes it, and the time limit of the GDPR."""

import calendar
from collections.abc import Callable
from datetime import UTC, date, datetime

from expunge.errors import RequestError

Clock = Callable[[], datetime]
"""Says what time it is, with its zone."""


def utc_now() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


def moment(time: datetime) -> str:
    """A time in UTC by RFC 3339 with six decimals, so that later ones sort later as text."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def one_month_after(day: date) -> date:
    """The last day of a time limit of one month (GDPR Art. 12(3)).

    It is the day of the same number in the next month or, where there is none, that month's last day (Regulation
    (EEC, Euratom) No 1182/71, Art. 3(2)(c)).
    """
    year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def parse_day(text: str) -> date:
    """A day written as YYYY-MM-DD.

    Raises:
        RequestError: It is written in another way, or not in the calendar.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise RequestError(f"A due date is a day like 2026-03-31, got {text!r}") from error
    if day.isoformat() != text:
        raise RequestError(f"A due date is a day like 2026-03-31, got {text!r}")
    return day
