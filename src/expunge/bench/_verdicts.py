"""The default policy's verdicts on finished cells, by an oracle or by strangers: who passes, and which rules fail."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from expunge.bench._derived import Peers
from expunge.bench._results import ORIGINAL, SCRATCH, Cell, RequestResult
from expunge.evidence import (
    Outcome,
    Policy,
    Reading,
    Reason,
    Row,
    Rule,
    Task,
    load_policy,
    make_rows,
    outcome_of,
    reasons_of,
)
from expunge.evidence.measures import HOLE, KNOWN


@dataclass(frozen=True, slots=True)
class CellVerdict:
    """One cell under the default policy, after the last request.

    Attributes:
        outcome: The verdict.
        against: Keys of the rows that speak against it: failed rules, or where none failed those that leave it open.
    """

    outcome: Outcome
    against: tuple[str, ...]


Finding = Literal["innocent", "known", "hole", "open"]
"""Finding on a forgotten class by the rules that only an oracle, or only strangers, can decide: like one that was never
learnt; known still; known less than such a one; or nothing."""


@dataclass(frozen=True, slots=True)
class VerdictPair:
    """One cell's features by the oracle and by strangers, and the whole policy by strangers, after the last request.

    Attributes:
        by_oracle: What the policy's rules for where there is an oracle say.
        by_strangers: What its rules for where there is none say.
        whole: The verdict of all rules but those on an oracle.
        known_p: p-value against "no better known than strangers"; None where it was not taken.
        hole_p: The same on the other side.
    """

    by_oracle: Finding
    by_strangers: Finding
    whole: CellVerdict
    known_p: float | None
    hole_p: float | None


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of a cell beside those of its anchors."""

    task: Task
    oracles: tuple[str, ...]
    rows: tuple[Row, ...]

    def row(self, key: str) -> Row | None:
        return next((row for row in self.rows if row.key == key), None)


def cell_verdict(cell: Cell, peers: Peers) -> CellVerdict | None:
    """Judges what stands after the last request; None where the original or oracle-scratch was not measured there.

    Args:
        cell: A finished cell.
        peers: The anchors of the same suite, setting and seed.
    """
    last = cell.requests[-1]
    original, oracle = (_after(peers.get(name), last.number) for name in (ORIGINAL, SCRATCH))
    if original is None or oracle is None:
        return None
    policy = load_policy(task=cell.task)
    if not any(key.startswith("rows_in_place") for key in original.readings):
        policy = _only(policy, [rule for rule in policy.rule if not _newer(rule)])
    return _verdict(reasons_of(_rows(cell, original, oracle), policy))


def verdict_pair(cell: Cell, peers: Peers) -> VerdictPair | None:
    """Judges the same by strangers, and by what the oracle alone decides; None where strangers or an anchor is missing.

    Args:
        cell: A finished cell.
        peers: The anchors of the same suite, setting and seed.
    """
    last = cell.requests[-1]
    original, oracle = (_after(peers.get(name), last.number) for name in (ORIGINAL, SCRATCH))
    if original is None or oracle is None or KNOWN not in original.readings:
        return None
    policy = load_policy(task=cell.task)
    with_oracle, without = (_rows(cell, original, one) for one in (oracle, None))
    p_values = (last.readings.get(key) for key in (KNOWN, HOLE))
    return VerdictPair(
        _found(reasons_of(with_oracle, _only(policy, [rule for rule in policy.rule if rule.when == "oracle"]))),
        _found(reasons_of(without, _only(policy, [rule for rule in policy.rule if rule.when == "no_oracle"]))),
        _verdict(reasons_of(without, policy)),
        *(one.value if one else None for one in p_values),
    )


def _rows(cell: Cell, original: RequestResult, oracle: RequestResult | None) -> _Rows:
    oracles = [_readings(oracle)] if oracle else []
    rows = make_rows((), _readings(cell.requests[-1]), _readings(original), oracles)
    return _Rows(cell.task, (SCRATCH,) if oracle else (), rows)


def _only(policy: Policy, rules: Sequence[Rule]) -> Policy:
    return policy.model_copy(update={"rule": tuple(rules)})


def _verdict(reasons: Sequence[Reason]) -> CellVerdict:
    return CellVerdict(outcome_of(reasons), _against(reasons))


def _found(reasons: Sequence[Reason]) -> Finding:
    match outcome_of(reasons):
        case "not_erased":
            return "known"
        case "hole_shows":
            return "hole"
        case "erased":
            return "innocent"
        case _:
            return "open"


def _newer(rule: Rule) -> bool:
    """Whether a rule is newer than rows in place: where the anchors lack these, no cell of the table is held to it."""
    return rule.kind == "hole" or "rows_in_place" in rule.key


def verdict_words(by_seed: Mapping[int, CellVerdict], headings: Mapping[str, str]) -> str:
    """Text of a table's entry: how many seeds pass, and what stands in the way of the others in how many of them.

    "AIN alone 2" are two seeds that nothing else keeps from passing.

    Args:
        by_seed: Seed -> verdict, of at least one seed.
        headings: Key of a row -> what tables call it.
    """
    passed = sum(one.outcome == "erased" for one in by_seed.values())
    text = f"{passed} of {len(by_seed)}"
    others = [one for one in by_seed.values() if one.outcome != "erased"]
    alone = Counter(one.against[0] for one in others if len(one.against) == 1)
    among = Counter(key for one in others if len(one.against) > 1 for key in one.against)
    named = [(f"{headings.get(key, key)} alone", n) for key, n in alone.most_common()]
    named += [(headings.get(key, key), n) for key, n in among.most_common()]
    reasons = ", ".join(f"{text} {n}" for text, n in named)
    return f"{text} ({reasons})" if reasons else text


def _after(cell: Cell | None, number: int) -> RequestResult | None:
    return next((request for request in cell.requests if request.number == number), None) if cell else None


def _readings(request: RequestResult) -> tuple[Reading, ...]:
    return tuple(Reading(key, v.value, v.unit, v.n, v.low, v.high, v.aim) for key, v in request.readings.items())


def _against(reasons: Sequence[Reason]) -> tuple[str, ...]:
    failed = [reason.key for reason in reasons if reason.status == "failed"]
    still_open = [r.key for r in reasons if r.status == "undecided" or (r.required and r.status == "unmeasured")]
    return tuple(dict.fromkeys(failed or still_open))
