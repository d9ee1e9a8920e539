"""What the default policy says of a finished cell: whether each seed passes, and which rules fail."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from expunge.bench.derived import Peers
from expunge.bench.results import ORIGINAL, SCRATCH, Cell, RequestResult
from expunge.evidence import Reading
from expunge.evidence.metrics import Task
from expunge.evidence.policy import Rule, load_policy
from expunge.evidence.reasons import Reason
from expunge.evidence.scorecard import Row, make_rows
from expunge.evidence.verdict import Outcome, outcome_of, reasons_of


@dataclass(frozen=True, slots=True)
class Judged:
    """One cell under the default policy, after the last request.

    Attributes:
        outcome: The verdict.
        against: Keys of the rows that speak against it: failed rules, or where none failed those that leave it open.
    """

    outcome: Outcome
    against: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of a cell beside those of its anchors."""

    task: Task
    oracles: tuple[str, ...]
    rows: tuple[Row, ...]

    def row(self, key: str) -> Row | None:
        return next((row for row in self.rows if row.key == key), None)


def judged(cell: Cell, peers: Peers) -> Judged | None:
    """Judges what stands after the last request; None where the original or oracle-scratch was not measured there.

    Args:
        cell: A finished cell.
        peers: The anchors of the same suite, setting and seed.
    """
    last = cell.requests[-1]
    original, oracle = (_after(peers.get(name), last.number) for name in (ORIGINAL, SCRATCH))
    if original is None or oracle is None:
        return None
    task: Task = cell.task or "classification"
    rows = make_rows((), _readings(last), _readings(original), [_readings(oracle)])
    policy = load_policy(task=task)
    if not any(key.startswith("rows_in_place") for key in original.readings):
        policy = policy.model_copy(update={"rule": tuple(rule for rule in policy.rule if not _newer(rule))})
    reasons = reasons_of(_Rows(task, (SCRATCH,), rows), policy)
    return Judged(outcome_of(reasons), _against(reasons))


def _newer(rule: Rule) -> bool:
    """Whether a rule is newer than rows in place: where the anchors lack these, no cell of the table is held to it."""
    return rule.kind == "hole" or "rows_in_place" in rule.key


def told(by_seed: Mapping[int, Judged], headings: Mapping[str, str]) -> str:
    """How a table says it: how many seeds pass, and what stands in the way of the others in how many of them.

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
