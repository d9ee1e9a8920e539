"""Holds a scorecard against a policy. The file `verdict.json`, format expunge/verdict/v1."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from expunge.evidence.policy import Aim, Kind, Policy, Rule, load_policy
from expunge.evidence.reasons import Measured, Reason, reason_of
from expunge.evidence.scorecard import ModelName, Scorecard, leans_on_oracle

SCHEMA = "expunge/verdict/v1"

Outcome = Literal["erased", "not_erased", "harm_too_large", "hole_shows", "not_enough_evidence"]

_KNOWS = {"acc_f": "the class", "acc_o": "classes of earlier requests"}  # rows that betray an oracle that is none
_FAILED: Mapping[Kind, Outcome] = {"erasure": "not_erased", "harm": "harm_too_large", "hole": "hole_shows"}
"""Outcome of a failed rule, the gravest first."""
STRANGERS = "strangers_"
"""Prefix of the rows that hold forgotten classes beside strangers."""
_KNOWN_ABOVE = 5.0  # %, where the policy sets no limit of its own


class Verdict(BaseModel):
    """Verdict of a policy on a scorecard. It is measured evidence, never a proof of deletion.

    Attributes:
        schema_: Name and version of the format; the key is `schema`.
        outcome: `not_erased` if an erasure rule failed; else `harm_too_large` if a harm rule failed; else `hole_shows`
            if a hole rule failed; else `not_enough_evidence` if a rule is undecided or a required one unmeasured; else
            `erased`.
        policy: Name of the policy.
        aim: What the policy is for; the key is absent where it does not say.
        edited: The model judged.
        forgotten: Classes of the request.
        reasons: Every rule that applied, in order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_: Annotated[Literal["expunge/verdict/v1"], Field(alias="schema")] = SCHEMA
    outcome: Outcome
    policy: str
    aim: Annotated[Aim | None, Field(exclude_if=lambda value: value is None)] = None
    edited: ModelName
    forgotten: tuple[str, ...]
    reasons: tuple[Reason, ...]

    def to_json(self) -> str:
        """The text of `verdict.json`: two-space indent, one trailing newline."""
        return self.model_dump_json(indent=2, by_alias=True) + "\n"


def judge(scorecard: Scorecard, policy: Policy | None = None) -> Verdict:
    """Applies every rule of a policy that is meant for what was measured; see `reasons_of`.

    Args:
        scorecard: The evidence.
        policy: The rules; by default those that come with us for the task.
    """
    policy = load_policy(task=scorecard.task) if policy is None else policy
    reasons = tuple(_explained(reason, scorecard) for reason in reasons_of(scorecard, policy))
    return Verdict(
        outcome=outcome_of(reasons),
        policy=policy.name,
        aim=policy.aim,
        edited=scorecard.edited,
        forgotten=scorecard.forgotten,
        reasons=reasons,
    )


def _explained(reason: Reason, scorecard: Scorecard) -> Reason:
    """A reason of a row beside strangers that was not measured, with the words that say why."""
    if reason.status != "unmeasured" or reason.measured or not reason.key.startswith(STRANGERS):
        return reason
    why = scorecard.strangers.words if scorecard.strangers else scorecard.skipped.get("strangers", "")
    return reason.model_copy(update={"note": f"not measured: {why}"}) if why else reason


def reasons_of(measured: Measured, policy: Policy) -> tuple[Reason, ...]:
    """Outcome of every rule of `policy` that is meant for what was measured, in order.

    A model that gets more of the forgotten classes right than `policy` lets pass as erased is no oracle: rules that
    lean on one are unmeasured then.
    """
    here = ("always", "oracle" if len(measured.oracles) else "no_oracle")
    rules = [rule for rule in policy.rule if rule.when in here and measured.row(rule.unless or "") is None]
    known = _known_to_oracle(measured, policy)
    return tuple(reason_of(rule, measured, known if _needs_oracle(rule) else "") for rule in rules)


def _needs_oracle(rule: Rule) -> bool:
    return rule.max_gap_to_oracle is not None or rule.when == "oracle" or leans_on_oracle(rule.key)


def _known_to_oracle(measured: Measured, policy: Policy) -> str:
    """Knowledge of an oracle of what it should never have seen, in words; empty where it knows nothing."""
    for key, what in _KNOWS.items():
        row = measured.row(key)
        own = [rule.max for rule in policy.rule if rule.key == key and rule.kind == "erasure" and rule.max is not None]
        if row is not None and row.oracle is not None and row.oracle > min(own, default=_KNOWN_ABOVE):
            return f"the oracle knows {what}: {key} {row.oracle:.4g} %"
    return ""


def outcome_of(reasons: Sequence[Reason]) -> Outcome:
    """The verdict that follows from what all rules came to; see `Verdict.outcome`."""
    failed = {reason.kind for reason in reasons if reason.status == "failed"}
    for kind, outcome in _FAILED.items():
        if kind in failed:
            return outcome
    # Without any erasure rule that held, nothing says that the class is gone.
    held = any(reason.kind == "erasure" and reason.status == "passed" for reason in reasons)
    is_open = any(r.status == "undecided" or (r.required and r.status == "unmeasured") for r in reasons)
    return "erased" if held and not is_open else "not_enough_evidence"
