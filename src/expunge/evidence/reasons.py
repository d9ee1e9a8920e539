"""Outcome of one rule of a policy on a scorecard, and its wording."""

from collections.abc import Sized
from math import inf
from typing import Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from expunge.evidence.metrics import Task
from expunge.evidence.policy import Kind, Rule
from expunge.evidence.scorecard import Part, Row
from expunge.tasks import find_task

Status = Literal["passed", "failed", "undecided", "unmeasured"]
Span = tuple[float, float]
"""The least and the greatest that a number can be; the same twice where it is known."""

_DIGITS = 4  # of the rows; what lies below them is rounding, and must not break a limit that is met exactly


@runtime_checkable
class Measured(Protocol):
    """Protocol of what rules look at: a scorecard, or whatever else has rows."""

    @property
    def task(self) -> Task:
        """Task of the models."""
        ...

    @property
    def oracles(self) -> Sized:
        """Models that never saw the forgotten classes."""
        ...

    def row(self, key: str) -> Row | None:
        """The row of that key, if it was measured."""
        ...


class Reason(BaseModel):
    """Outcome of one rule.

    Attributes:
        key: The row.
        kind: Kind of the rule.
        required: Whether the verdict stays open where it is unmeasured.
        limit: The demand in words, such as "at most 5 %".
        measured: What was held against it in words; empty where it was not measured.
        status: `passed`; `failed`: the value breaks the limit; `undecided`: there are too few images to say;
            `unmeasured`: the row, the original's or the oracle's is missing, is only a bound, or the oracle is none.
        note: Why, where it neither passed nor failed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    kind: Kind
    required: bool
    limit: str
    measured: str
    status: Status
    note: str = ""


def reason_of(rule: Rule, measured: Measured, barred: str = "") -> Reason:
    """Applies one rule.

    Args:
        rule: The rule.
        measured: What was measured.
        barred: Why the rule cannot be applied here, if so.
    """
    row, trials = measured.row(rule.key), f"{find_task(measured.task).thing}s"
    if row is None:
        status, note = "unmeasured", "not measured"
    elif barred:
        status, note = "unmeasured", barred
    else:
        status, note = _held(rule, row, trials)
    return Reason(
        key=rule.key,
        kind=rule.kind,
        required=rule.required,
        limit=_limit(rule, row.unit if row else ""),
        measured=_shown(row) if row else "",
        status=status,
        note=note,
    )


def _held(rule: Rule, row: Row, trials: str) -> tuple[Status, str]:
    """Status of a rule whose row is there, and why."""
    excess = _excess(rule, row, _span(row, "value", row.value))
    if excess is None:
        whose = "oracle's" if rule.max_gap_to_oracle is not None else "original's"
        return "unmeasured", f"the {whose} value is missing"
    if row.n < max(1, rule.min_n):  # a rate of nothing is 0, and proves nothing
        return "undecided", f"{row.n} {trials}, where {max(1, rule.min_n)} are needed"
    if rule.control and (blind := _blind(rule, row)):
        return blind
    least, greatest = excess
    if least > 0:
        return "failed", ""
    if greatest > 0:
        return "unmeasured", "only a bound is known, as re-learning was stopped before it was done"
    if rule.counts == "value":
        return "passed", ""
    ends = {"low": row.low, "high": row.high}
    counted = [ends[rule.counts]] if rule.side != "both" or rule.max_gap_to_oracle is None else list(ends.values())
    known = [_excess(rule, row, (end, end)) for end in counted if end is not None]
    if len(known) < len(counted):
        return "undecided", "the row has no interval"
    if any(one is not None and one[1] > 0 for one in known):
        return "undecided", f"{_ends(rule)} of the interval does not keep the limit; more {trials} would tell"
    return "passed", ""


def _blind(rule: Rule, row: Row) -> tuple[Status, str] | None:
    """Status of a rule that says nothing because the untouched model would keep it; None where that one breaks it."""
    if row.original is None:
        return "unmeasured", "the original's value is missing"
    before = _excess(rule, row, _span(row, "original", row.original))
    if before is None or before[0] <= 0:
        return "undecided", "the untouched model keeps this limit, too, so it tells nothing here"
    return None


def _span(row: Row, name: Part, value: float) -> Span:
    match row.bounds.get(name):
        case "at_most":
            return -inf, value
        case "at_least":
            return value, inf
        case "unknown":
            return -inf, inf
        case None:
            return value, value


def _excess(rule: Rule, row: Row, value: Span) -> Span | None:
    """By how much `value` breaks the limit, above 0 if it does; None where the original's or oracle's is missing."""
    if rule.min is not None:
        return _rounded(rule.min - value[1], rule.min - value[0])
    if rule.max is not None:
        return _rounded(value[0] - rule.max, value[1] - rule.max)
    name = "oracle" if rule.max_gap_to_oracle is not None else "original"
    other = getattr(row, name)
    if other is None:
        return None
    least, greatest = _span(row, name, other)
    gap = (value[0] - greatest, value[1] - least)
    limit = rule.max_gap_to_oracle if rule.max_gap_to_oracle is not None else rule.max_loss_from_original or 0.0
    far = gap if rule.side == "above" else (-gap[1], -gap[0])
    if name == "oracle" and rule.side == "both":
        far = (max(gap[0], -gap[1], 0.0), max(gap[1], -gap[0]))
    return _rounded(far[0] - limit, far[1] - limit)


def _rounded(least: float, greatest: float) -> Span:
    return round(least, _DIGITS), round(greatest, _DIGITS)


def _limit(rule: Rule, unit: str) -> str:
    counted = "" if rule.counts == "value" else f", {_ends(rule)} of the interval"
    if rule.min is not None:
        return f"at least {with_unit(rule.min, unit)}{counted}"
    if rule.max is not None:
        return f"at most {with_unit(rule.max, unit)}{counted}"
    if rule.max_gap_to_oracle is not None:
        side = "from" if rule.side == "both" else rule.side
        return f"at most {with_unit(rule.max_gap_to_oracle, unit, gap=True)} {side} the oracle{counted}"
    return f"at most {with_unit(rule.max_loss_from_original or 0.0, unit, gap=True)} below the original{counted}"


def _ends(rule: Rule) -> str:
    """The end of the interval that counts; a gap to both sides takes both."""
    return "either end" if rule.max_gap_to_oracle is not None and rule.side == "both" else f"{rule.counts} end"


def _shown(row: Row) -> str:
    parts = [row.bounded("value", with_unit(row.value, row.unit))]
    if row.low is not None and row.high is not None:
        parts.append(f"interval {row.low:.4g}–{row.high:.4g}")
    if row.oracle is not None:
        several = f" (mean of {row.oracles})" if row.oracles > 1 else ""
        parts.append(f"oracle {row.bounded('oracle', f'{row.oracle:.4g}')}{several}")
    if row.original is not None:
        parts.append(f"original {row.bounded('original', f'{row.original:.4g}')}")
    return ", ".join([*parts, f"n {row.n}"])


def with_unit(value: float, unit: str, *, gap: bool = False) -> str:
    """A number and its unit as one would say it: "5 %", "10 points" for a difference of rates, "0.98"."""
    if unit == "%":
        return f"{value:.4g} {'points' if gap else '%'}"
    return f"{value:.4g}" if unit in ("1", "ratio", "") else f"{value:.4g} {unit}"
