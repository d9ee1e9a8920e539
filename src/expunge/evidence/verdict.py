"""Holds a scorecard against a policy. The file `verdict.json`, format expunge/verdict/v1."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from expunge.evidence.policy import Kind, Policy, Rule
from expunge.evidence.scorecard import ModelName, Row, Scorecard

SCHEMA = "expunge/verdict/v1"

Outcome = Literal["erased", "not_erased", "harm_too_large", "not_enough_evidence"]
Status = Literal["passed", "failed", "undecided", "unmeasured"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Reason(_Record):
    """What one rule came to.

    Attributes:
        key: The row.
        kind: Kind of the rule.
        required: Whether the verdict stays open where it is unmeasured.
        limit: The demand in words, such as "at most 5 %".
        measured: What was held against it in words; empty where it was not measured.
        status: `passed`; `failed`: the value breaks the limit; `undecided`: there are too few images to say;
            `unmeasured`: the row, the original's or the oracle's is missing.
        note: Why, where it neither passed nor failed.
    """

    key: str
    kind: Kind
    required: bool
    limit: str
    measured: str
    status: Status
    note: str = ""


class Verdict(_Record):
    """What a policy says of a scorecard. It is measured evidence, never a proof of deletion.

    Attributes:
        schema_: Name and version of the format; the key is `schema`.
        outcome: `not_erased` if an erasure rule failed; else `harm_too_large` if a harm rule failed; else
            `not_enough_evidence` if a rule is undecided or a required one unmeasured; else `erased`.
        policy: Name of the policy.
        edited: The model judged.
        forgotten: Classes of the request.
        reasons: Every rule that applied, in order.
    """

    schema_: Annotated[Literal["expunge/verdict/v1"], Field(alias="schema")] = SCHEMA
    outcome: Outcome
    policy: str
    edited: ModelName
    forgotten: tuple[str, ...]
    reasons: tuple[Reason, ...]

    def to_json(self) -> str:
        """The text of `verdict.json`: two-space indent, one trailing newline."""
        return self.model_dump_json(indent=2, by_alias=True) + "\n"


def judge(scorecard: Scorecard, policy: Policy) -> Verdict:
    """Applies every rule of `policy` that the presence of an oracle does not rule out."""
    here = ("always", "oracle" if scorecard.oracles else "no_oracle")
    reasons = tuple(_apply(rule, scorecard) for rule in policy.rule if rule.when in here)
    return Verdict(
        outcome=_outcome(reasons),
        policy=policy.name,
        edited=scorecard.edited,
        forgotten=scorecard.forgotten,
        reasons=reasons,
    )


def _outcome(reasons: tuple[Reason, ...]) -> Outcome:
    failed = {reason.kind for reason in reasons if reason.status == "failed"}
    if failed:
        return "not_erased" if "erasure" in failed else "harm_too_large"
    # Without any erasure rule that held, nothing says that the class is gone.
    held = any(reason.kind == "erasure" and reason.status == "passed" for reason in reasons)
    is_open = any(r.status == "undecided" or (r.required and r.status == "unmeasured") for r in reasons)
    return "erased" if held and not is_open else "not_enough_evidence"


def _apply(rule: Rule, scorecard: Scorecard) -> Reason:
    row, trials = scorecard.row(rule.key), "objects" if scorecard.task == "detection" else "images"
    unit = row.unit if row else ""
    if row is None:
        return _reason(rule, unit, "", "unmeasured", "not measured")
    values = {"value": row.value, "low": row.low, "high": row.high}
    excess = {name: None if value is None else _excess(rule, row, value) for name, value in values.items()}
    measured, counted = excess["value"], excess[rule.counts]
    if measured is None:
        whose = "oracle's" if rule.max_gap_to_oracle is not None else "original's"
        return _reason(rule, unit, _shown(row), "unmeasured", f"the {whose} value is missing")
    if row.n < rule.min_n:
        return _reason(rule, unit, _shown(row), "undecided", f"{row.n} {trials}, where {rule.min_n} are needed")
    if measured > 0:
        return _reason(rule, unit, _shown(row), "failed")
    if counted is None:
        return _reason(rule, unit, _shown(row), "undecided", "the row has no interval")
    if counted > 0:
        end = f"the interval's {rule.counts} end does not keep the limit; more {trials} would tell"
        return _reason(rule, unit, _shown(row), "undecided", end)
    return _reason(rule, unit, _shown(row), "passed")


def _excess(rule: Rule, row: Row, value: float) -> float | None:
    """By how much `value` breaks the limit, above 0 if it does; None where the original's or oracle's is missing."""
    if rule.min is not None:
        return rule.min - value
    if rule.max is not None:
        return value - rule.max
    if rule.max_loss_from_original is not None:
        return None if row.original is None else row.original - value - rule.max_loss_from_original
    if row.oracle is None or rule.max_gap_to_oracle is None:
        return None
    gap = value - row.oracle
    return {"above": gap, "below": -gap, "both": abs(gap)}[rule.side] - rule.max_gap_to_oracle


def _reason(rule: Rule, unit: str, measured: str, status: Status, note: str = "") -> Reason:
    return Reason(
        key=rule.key,
        kind=rule.kind,
        required=rule.required,
        limit=_limit(rule, unit),
        measured=measured,
        status=status,
        note=note,
    )


def _limit(rule: Rule, unit: str) -> str:
    counted = "" if rule.counts == "value" else f", {rule.counts} end of the interval"
    if rule.min is not None:
        return f"at least {with_unit(rule.min, unit)}{counted}"
    if rule.max is not None:
        return f"at most {with_unit(rule.max, unit)}{counted}"
    if rule.max_gap_to_oracle is not None:
        side = "from" if rule.side == "both" else rule.side
        return f"at most {with_unit(rule.max_gap_to_oracle, unit, gap=True)} {side} the oracle{counted}"
    return f"at most {with_unit(rule.max_loss_from_original or 0.0, unit, gap=True)} below the original{counted}"


def _shown(row: Row) -> str:
    parts = [with_unit(row.value, row.unit)]
    if row.low is not None and row.high is not None:
        parts.append(f"interval {row.low:.4g}–{row.high:.4g}")
    if row.oracle is not None:
        parts.append(f"oracle {row.oracle:.4g}")
    if row.original is not None:
        parts.append(f"original {row.original:.4g}")
    return ", ".join([*parts, f"n {row.n}"])


def with_unit(value: float, unit: str, *, gap: bool = False) -> str:
    """A number and its unit as one would say it: "5 %", "10 points" for a difference of rates, "0.98"."""
    if unit == "%":
        return f"{value:.4g} {'points' if gap else '%'}"
    return f"{value:.4g}" if unit in ("1", "ratio", "") else f"{value:.4g} {unit}"
