"""Keys, entries, statements and ledgers with fixed content."""

import hashlib

from expunge.ledger import (
    OUT_OF_SCOPE,
    Artefact,
    DataFacts,
    Destruction,
    Log,
    MemoryStorage,
    MethodFacts,
    PolicyChange,
    PolicyFacts,
    Predicate,
    RequestFacts,
    SigningKey,
    Statement,
    StateMove,
    Target,
    Times,
    Verdict,
)
from expunge.ledger.statement import CLAIM

NAME = "example.org/erasures"
KEY, NEXT_KEY, STRANGER = (SigningKey.from_seed(NAME, bytes([seed]) * 32) for seed in (1, 2, 3))
FACTS = (
    StateMove(before=None, after="received"),
    StateMove(before="received", after="accepted", reason="gdpr-17-1-b", reason_sha256="ab" * 32),
    PolicyChange(name="default", sha256="cd" * 32),
    Artefact(role="edit", sha256="ef" * 32, bytes=20_480),
    Destruction(what="forget-images", count=12, sha256="12" * 32),
)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def at(minute: int) -> str:
    return f"2026-11-24T09:{minute:02d}:00Z"


def ledger(entries: int, storage=None, signer: SigningKey = KEY) -> Log:
    """A ledger of so many entries: the key's addition, then the facts above in turn."""
    log = Log.create(MemoryStorage() if storage is None else storage, signer, time=at(0), actor="system")
    for index in range(1, entries):
        log.append(FACTS[(index - 1) % len(FACTS)], time=at(index % 60), actor="person:7f3a", request="r-0001")
    return log


def statement(request: str = "r-0001", accuracy: float = 0.0) -> Statement:
    predicate = Predicate(
        claim=CLAIM,
        request=RequestFacts(
            id=request,
            targets=(Target(name="s01"), Target(digest=sha("keyed s02"))),
            reason="gdpr-17-1-b",
            received=at(1),
            released=None,
        ),
        method=MethodFacts(name="gs-lora++", settings={"rank": 8, "alpha": 0.25, "bounds": {"forget": None}}),
        data=(DataFacts(role="forget", count=12, sha256=sha("images")), DataFacts(role="test", count=40, sha256=None)),
        scorecard={"acc_f": {"before": 97.5, "after": accuracy, "ci95": [0.0, 8.8], "n": 40}, "anchor": "head mask"},
        policy=PolicyFacts(name="default", sha256=sha("policy")),
        verdict=Verdict(outcome="approved", reasons=("Acc_f is at most chance.",)),
        software={"expunge": "0.1.0", "python": "3.11.9"},
        hardware={"cpu": "two cores"},
        times=Times(started=at(2), finished=at(9)),
        out_of_scope=OUT_OF_SCOPE,
    )
    return Statement.about(predicate, before=sha("before"), after=sha("after"), edit=sha("edit"))
