"""Writes the certificate of a release, in the same commit as the release itself, and brings it out again."""

import json
from dataclasses import dataclass
from typing import Any

from expunge.errors import DamagedWorkspaceError, LedgerError, UnlawfulMoveError
from expunge.ledger import (
    CLAIM,
    MOST_BYTES,
    OUT_OF_SCOPE,
    ROLE,
    DataFacts,
    Envelope,
    EnvelopeRecord,
    MethodFacts,
    PolicyFacts,
    Predicate,
    RequestFacts,
    SigningKey,
    Statement,
    StrangersFacts,
    Target,
    Times,
    Verdict,
    carried,
    certify,
    payload_digest,
    seal,
)
from expunge.lifecycle._records import Judgement
from expunge.lifecycle._recovery import record_published
from expunge.lifecycle.applied import AppliedEdit
from expunge.lifecycle.executor import policy
from expunge.release import ReleaseRecord, among
from expunge.runs import environment
from expunge.workspace import KEYS, SECRET, SIGNING_KEY, Actor, Pseudonyms, Request, State, Workspace, moment

ENVELOPE = "envelope"
FORGET = "forget"
"""The part that images of a request play among the data of its edit."""

NAMES = ("classes", "forgotten", "earlier", "missing")
"""Fields of a scorecard that hold names of classes."""
UNNAMED = {"innocent": "not to be told from somebody it never saw", "known": "still known", "hole": "a hole that shows"}
TEXT_MODEL = "the text model that made the head's rows from class names: it knows the word, and makes a struck row anew"
"""Out of reach of an edit, too, where `text_model` stands in the scorecard."""
SOFTWARE = ("expunge", "torch", "transformers", "Python")


@dataclass(frozen=True)
class Issue:
    """A release that is about to be certified.

    Attributes:
        workspace: The workspace.
        request: ID of the request.
        edit: Its edit.
        judged: The evidence of exactly the model that is released.
        before: Digest of the model without this edit.
        after: Digest of the model that is released.
        original: Digest of the model before any edit; it goes into the method's facts.
    """

    workspace: Workspace
    request: str
    edit: AppliedEdit
    judged: Judgement
    before: str
    after: str
    original: str

    def rehearse(self) -> None:
        """Makes the certificate once and keeps nothing of it, so that what hinders it shows before anything is written.

        Raises:
            MalformedRecordError: It would be too large.
        """
        self._sealed(self.workspace.request(self.request), moment(self.workspace.now()), {})

    def commit(self, release: ReleaseRecord, actor: Actor) -> None:
        """Moves the request to released, records the release, and issues the certificate: all of it or nothing.

        Args:
            release: The release as it was written.
            actor: Who releases it.

        Raises:
            UnlawfulMoveError: The request cannot be released from where it stands.
            FourEyesError: Another person must release it.
            HeldError: The workspace is on hold.
        """
        with self.workspace.transaction() as transaction:
            found = transaction.move(self.request, State.RELEASED, actor)
            record_published(self.workspace, transaction, self.request, release, actor)
            envelope = self._sealed(found, transaction.now, among(release.files))
            stored = self.workspace.artefacts.put(envelope.to_record().to_bytes())  # before the row that names it
            transaction.record_artefact(self.request, ENVELOPE, stored.sha256, stored.bytes, actor)
            transaction.record_artefact(self.request, ROLE, payload_digest(envelope), len(envelope.payload), actor)

    def _sealed(self, request: Request, now: str, files: dict[str, str]) -> Envelope:
        workspace, rules = self.workspace, policy(self.workspace)
        signer = SigningKey.load(workspace.path / KEYS / SIGNING_KEY, workspace.settings.origin)
        hidden = None if rules.name_targets else Pseudonyms.load(workspace.path / KEYS / SECRET)
        scorecard = json.loads(workspace.artefacts.read(self.judged.scorecard))
        for part in NAMES:
            names = scorecard[part] if hidden is None else [_hidden(hidden, name) for name in scorecard[part]]
            scorecard[part] = carried(names)
        scorecard.pop("strangers", None)  # names classes in every row; what it comes to stands by itself
        facts = self._predicate(request, hidden, scorecard, rules.name, now, files)
        digest = self.edit.attempt.edit_sha256
        return seal(Statement.about(facts, before=self.before, after=self.after, edit=digest), signer)

    def _predicate(
        self,
        request: Request,
        hidden: Pseudonyms | None,
        scorecard: dict[str, Any],
        policy_name: str,
        now: str,
        files: dict[str, str],
    ) -> Predicate:
        attempt, judged, versions = self.edit.attempt, self.judged, environment()
        data = attempt.images
        if all(facts.role != FORGET for facts in data):  # a request to a detector brings no images of its own
            data = (DataFacts(role=FORGET, count=request.images, sha256=request.images_sha256), *data)
        settings = {**attempt.settings, "attempt": attempt.step + 1, "seed": attempt.seed, "original": self.original}
        return Predicate(
            claim=CLAIM,
            request=RequestFacts(
                id=request.id,
                targets=tuple(_target(hidden, name) for name in request.targets),
                reason=None,
                received=request.received,
                released=now,
            ),
            method=MethodFacts(name=attempt.method, settings=settings),
            data=data,
            scorecard=scorecard,
            policy=PolicyFacts(name=policy_name[:200], sha256=self.workspace.settings.policy),
            verdict=Verdict(outcome=judged.outcome, reasons=judged.reasons),
            software={name: versions[name] for name in SOFTWARE},
            hardware={name: text for name, text in versions.items() if name not in SOFTWARE},
            times=Times(started=attempt.started, finished=judged.finished),
            out_of_scope=(*OUT_OF_SCOPE, TEXT_MODEL) if "text_model" in scorecard else OUT_OF_SCOPE,
            strangers=_beside(judged.strangers, hidden),
            model_files=files,
        )


def certificate_text(workspace: Workspace, request: str) -> str:
    """The certificate of a released request, under the ledger's last checkpoint.

    Raises:
        UnlawfulMoveError: It was never released, or it was rolled back.
        DamagedWorkspaceError: What was signed is missing or damaged.
    """
    for move in workspace.moves(request):
        if move.after == State.ROLLED_BACK:
            raise UnlawfulMoveError(
                f"Request {request} was rolled back on {move.time[:10]}: the model knows its classes again, so no "
                "certificate is issued any more. One that was issued before only says what was released then."
            )
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


def _beside(strangers: StrangersFacts | None, hidden: Pseudonyms | None) -> StrangersFacts | None:
    """Facts on strangers; where classes are not to be named, in words that name none."""
    if strangers is None or hidden is None:
        return strangers
    return strangers.model_copy(update={"words": UNNAMED.get(strangers.finding, strangers.finding)})


def _target(hidden: Pseudonyms | None, name: str) -> Target:
    return Target(name=name) if hidden is None else Target(digest=_hidden(hidden, name))


def _hidden(hidden: Pseudonyms, name: str) -> str:
    """A keyed digest of a class's name; who holds the workspace's secret can show that it is that name's."""
    return hidden.of("subject", f"class {name}")
