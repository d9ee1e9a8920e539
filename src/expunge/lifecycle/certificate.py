"""Writes the certificate of a release, in the same commit as the release itself, and brings it out again."""

import json
from typing import Any

from expunge.errors import DamagedWorkspaceError, LedgerError, UnlawfulMoveError
from expunge.ledger import (
    OUT_OF_SCOPE,
    DataFacts,
    Envelope,
    MethodFacts,
    PolicyFacts,
    Predicate,
    RequestFacts,
    SigningKey,
    Statement,
    Target,
    Times,
    Verdict,
    certify,
    seal,
)
from expunge.ledger.certificate import MOST_BYTES, ROLE, payload_digest
from expunge.ledger.dsse import EnvelopeRecord
from expunge.ledger.statement import CLAIM
from expunge.lifecycle.executor import policy
from expunge.lifecycle.material import FORGET
from expunge.lifecycle.records import Judged
from expunge.lifecycle.standing import Standing
from expunge.lifecycle.upkeep import MODEL
from expunge.requests.reporting import environment
from expunge.workspace import Actor, Request, State, Workspace
from expunge.workspace.creation import KEYS, SECRET, SIGNING_KEY
from expunge.workspace.pseudonyms import Pseudonyms

ENVELOPE = "envelope"
NAMES = ("classes", "forgotten", "earlier", "missing")
"""Fields of a scorecard that hold names of classes."""
SOFTWARE = ("expunge", "torch", "transformers", "Python")


def commit(
    workspace: Workspace,
    request: str,
    actor: Actor,
    edit: Standing,
    judged: Judged,
    *,
    before: str,
    after: str,
    original: str,
) -> None:
    """Moves a request to released, records the model's digest, and issues the certificate: all of it or nothing.

    Args:
        workspace: The workspace.
        request: ID of the request.
        actor: Who releases it.
        edit: Its edit.
        judged: The evidence of exactly the released model.
        before: Digest of the model without this edit.
        after: Digest of the released model.
        original: Digest of the model before any edit; it goes into the method's facts.

    Raises:
        UnlawfulMoveError: The request cannot be released from where it stands.
        FourEyesError: Another person must release it.
        HeldError: The workspace is on hold.
    """
    signer = SigningKey.load(workspace.path / KEYS / SIGNING_KEY, workspace.settings.origin)
    scorecard = json.loads(workspace.artefacts.read(judged.scorecard))
    rules = policy(workspace)
    hidden = None if rules.name_targets else Pseudonyms.load(workspace.path / KEYS / SECRET)
    if hidden is not None:
        scorecard |= {part: [_hidden(hidden, name) for name in scorecard[part]] for part in NAMES}
    with workspace.transaction() as transaction:
        found = transaction.move(request, State.RELEASED, actor)
        transaction.record_artefact(request, MODEL, after, None, actor)
        targets = tuple(_target(hidden, name) for name in found.targets)
        facts = _predicate(workspace, found, targets, edit, judged, scorecard, rules.name, transaction.now, original)
        envelope = seal(Statement.about(facts, before=before, after=after, edit=edit.attempt.edit_sha256), signer)
        stored = workspace.artefacts.put(envelope.to_record().to_bytes())  # before the row that names it
        transaction.record_artefact(request, ENVELOPE, stored.sha256, stored.bytes, actor)
        transaction.record_artefact(request, ROLE, payload_digest(envelope), len(envelope.payload), actor)


def certificate_text(workspace: Workspace, request: str) -> str:
    """The certificate of a released request, under the ledger's last checkpoint.

    Raises:
        UnlawfulMoveError: It was never released.
        DamagedWorkspaceError: What was signed is missing or damaged.
    """
    rows = workspace.artefact_records(request)
    entries = [row.seq for row in rows if row.role == ROLE]
    stored = [row.sha256 for row in rows if row.role == ENVELOPE]
    if not (entries and stored):
        state = workspace.request(request).state
        raise UnlawfulMoveError(f"Request {request} is {state} and has no certificate: only a release is certified.")
    data = workspace.artefacts.read(stored[-1])
    try:
        envelope = Envelope.of(EnvelopeRecord.model_validate_json(data[:MOST_BYTES]))
        return certify(workspace.ledger(), envelope, entries[-1])
    except (ValueError, LedgerError) as error:
        raise DamagedWorkspaceError(f"The certificate of request {request} cannot be made: {error}") from error


def _target(hidden: Pseudonyms | None, name: str) -> Target:
    return Target(name=name) if hidden is None else Target(digest=_hidden(hidden, name))


def _hidden(hidden: Pseudonyms, name: str) -> str:
    """A keyed digest of a class's name; who holds the workspace's secret can show that it is that name's."""
    return hidden.of("subject", f"class {name}")


def _predicate(
    workspace: Workspace,
    request: Request,
    targets: tuple[Target, ...],
    edit: Standing,
    judged: Judged,
    scorecard: dict[str, Any],
    policy_name: str,
    now: str,
    original: str,
) -> Predicate:
    attempt, versions = edit.attempt, environment()
    data = attempt.images
    if all(facts.role != FORGET for facts in data):  # a request to a detector brings no images of its own
        data = (DataFacts(role=FORGET, count=request.images, sha256=request.images_sha256), *data)
    settings = {**attempt.settings, "attempt": attempt.step + 1, "seed": attempt.seed, "original": original}
    return Predicate(
        claim=CLAIM,
        request=RequestFacts(
            id=request.id,
            targets=targets,
            reason=None,
            received=request.received,
            released=now,
        ),
        method=MethodFacts(name=attempt.method, settings=settings),
        data=data,
        scorecard=scorecard,
        policy=PolicyFacts(name=policy_name[:200], sha256=workspace.settings.policy),
        verdict=Verdict(outcome=judged.outcome, reasons=judged.reasons),
        software={name: versions[name] for name in SOFTWARE},
        hardware={name: text for name, text in versions.items() if name not in SOFTWARE},
        times=Times(started=attempt.started, finished=judged.finished),
        out_of_scope=OUT_OF_SCOPE,
    )
