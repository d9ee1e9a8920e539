"""State of a workspace and its requests as the ledger alone tells it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from expunge.ledger import Artefact, Destruction, Entry, PolicyChange, StateMove
from expunge.workspace.states import State
from expunge.workspace.transaction import FORGET_IMAGES, LEGAL_HOLD, LEGAL_HOLD_LIFTED, REQUEST_FACTS, SETTINGS_FACTS


@dataclass(slots=True)
class LedgerView:
    """State of one request, or of the workspace as a whole, as the ledger tells it.

    Attributes:
        moves: Entries of moves, by their numbers.
        artefacts: Entries of artefacts, by their numbers.
        state: Where it stands.
        received: When it came in.
        held_from: State to go back to from a hold.
        approval: The entry that approved what was measured, as long as that counts.
        legal_hold: Whether its images must be kept.
        images: Digest of its images.
        destroyed: When they were destroyed.
        facts: Keyed digest of what no entry says in words; None in ledgers that were begun without one.
        policy: Digest of the policy that decides.
        model: Digest of the model that was named last: the original's, or the one that may be served.
    """

    moves: dict[int, Entry] = field(default_factory=dict)
    artefacts: dict[int, Entry] = field(default_factory=dict)
    state: str = ""
    received: str | None = None
    held_from: str | None = None
    approval: Entry | None = None
    legal_hold: bool = False
    images: str | None = None
    destroyed: str | None = None
    facts: str | None = None
    policy: str | None = None
    model: str | None = None

    def add(self, entry: Entry) -> None:
        """Takes one more entry in; entries come in their order."""
        facts = entry.facts
        if isinstance(facts, StateMove):
            self.moves[entry.seq] = entry
            self._move(entry, facts)
        elif isinstance(facts, Artefact):
            self.artefacts[entry.seq] = entry
            self.images = facts.sha256 if facts.role == FORGET_IMAGES else self.images
            self.model = facts.sha256 if facts.role == "model" else self.model
            if facts.role in (REQUEST_FACTS, SETTINGS_FACTS) and self.facts is None:
                self.facts = facts.sha256
        elif isinstance(facts, Destruction) and facts.what == FORGET_IMAGES:
            self.destroyed = entry.time
        elif isinstance(facts, PolicyChange):
            self.policy = facts.sha256

    def _move(self, entry: Entry, facts: StateMove) -> None:
        if facts.reason in (LEGAL_HOLD, LEGAL_HOLD_LIFTED):
            self.legal_hold = facts.reason == LEGAL_HOLD
            return
        self.received = entry.time if facts.before is None else self.received
        self.state, self.held_from = facts.after, facts.before if facts.after == State.ON_HOLD else None
        if State.ON_HOLD not in (facts.before, facts.after):  # a hold keeps what was approved
            if facts.after == State.APPROVED:
                self.approval = entry
            elif facts.after in (State.ACCEPTED, State.RUNNING):
                self.approval = None


def ledger_views(lines: Iterable[bytes]) -> dict[str | None, LedgerView]:
    """State of each request as a ledger tells it, and under None that of the workspace as a whole.

    Raises:
        LedgerError: An entry is malformed.
    """
    told: dict[str | None, LedgerView] = {None: LedgerView()}
    for line in lines:
        entry = Entry.parse(line)
        told.setdefault(entry.request, LedgerView()).add(entry)
    return told
