"""Certificates made up for tests: signed and recorded for real, in a ledger in memory."""

from typing import Any

from expunge.evidence.scorecard import Row
from expunge.ledger import (
    OUT_OF_SCOPE,
    DataFacts,
    Log,
    MemoryStorage,
    MethodFacts,
    PolicyFacts,
    Predicate,
    RequestFacts,
    SigningKey,
    Statement,
    Target,
    Times,
    Verdict,
    issue,
)
from expunge.ledger.statement import CLAIM

KEY = SigningKey.from_seed("example.org/erasures", bytes(32))
NOON, LATER = "2026-11-24T12:00:00Z", "2026-11-24T12:03:20Z"
AFTER = "b" * 64


def row(key: str, label: str, value: float, measure: str = "forgetting", **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"unit": "%", "aim": "low", "n": 40} | changes
    return Row(key=key, label=label, value=value, measure=measure, **values).model_dump(mode="json")


ROWS = (
    row("acc_f", "Acc_f", 0.0, low=0.0, high=8.8, original=95.0, oracle=0.0),
    row("acc_r", "Acc_r", 93.1, low=90.2, high=95.2, original=94.0, oracle=93.6, aim="high", n=360),
    row(
        "linear_probe",
        "linear probe",
        22.5,
        "linear-probe",
        low=12.3,
        high=37.5,
        original=95.0,
        oracle=20.0,
        aim="oracle",
    ),
    row("rank1", "retrieval, rank 1", 17.5, "retrieval", low=8.7, high=31.9, original=92.5, oracle=15.0, aim="oracle"),
    row("cmia_auc", "class membership, AUC", 55.1, "class-membership", low=46.0, high=64.2, original=97.3, oracle=52.0),
    row("relearn_time", "re-learn steps", 9.0, "relearn-time", unit="steps", original=1.0, oracle=10.0, aim="oracle"),
)


def predicate(**changes: Any) -> Predicate:
    """A statement's content about one class that was forgotten."""
    values: dict[str, Any] = {
        "claim": CLAIM,
        "request": RequestFacts(
            id="req-0007", targets=(Target(name="s01"),), reason="gdpr-17", received=NOON, released=LATER
        ),
        "method": MethodFacts(name="gs-lora++", settings={"last_blocks": 4, "epochs": 20}),
        "data": (DataFacts(role="forget", count=8, sha256="c" * 64), DataFacts(role="test", count=400, sha256=None)),
        "scorecard": {"schema": "expunge/scorecard/v1", "rows": list(ROWS)},
        "policy": PolicyFacts(name="standard", sha256="d" * 64),
        "verdict": Verdict(outcome="erased", reasons=("acc_f: at most 5 %, passed",)),
        "software": {"expunge": "0.1.0", "torch": "2.13.0"},
        "hardware": {"processor": "x86_64"},
        "times": Times(started=NOON, finished=LATER),
        "out_of_scope": OUT_OF_SCOPE,
    }
    return Predicate(**(values | changes))


def certificate(**changes: Any) -> str:
    """The text of a certificate that verifies with `KEY`."""
    log = Log.create(MemoryStorage(), KEY, time=NOON, actor="keeper")
    statement = Statement.about(predicate(**changes), before="a" * 64, after=AFTER, edit="e" * 64)
    return issue(log, statement, time=LATER, actor="keeper")
