"""The life of requests: states, store, leases and the images in between. Nothing here needs torch."""

from expunge.workspace.artefacts import Artefacts, Digest
from expunge.workspace.clock import Clock, moment, parse_day, utc_now
from expunge.workspace.creation import KEYS, QUARANTINE, SECRET, SIGNING_KEY, VERIFIER_KEY
from expunge.workspace.destroy import STATISTICS
from expunge.workspace.disk import writing
from expunge.workspace.intake import Limits
from expunge.workspace.leases import LEASE, Plan
from expunge.workspace.pseudonyms import Pseudonyms
from expunge.workspace.published import RECORD, RELEASE, RELEASES
from expunge.workspace.rows import ArtefactRecord, ImageRecord, MoveRecord
from expunge.workspace.runner import Runner
from expunge.workspace.settings import Original, Settings, find_workspace
from expunge.workspace.states import MOVES, SETTLED, Actor, Move, Request, Role, State, moved, possible
from expunge.workspace.strangers import FILE, STATES, STRANGERS, KeptStrangers, kept_strangers
from expunge.workspace.submission import digest_of
from expunge.workspace.transaction import Transaction
from expunge.workspace.workspace import Workspace

__all__ = [
    "FILE",
    "KEYS",
    "LEASE",
    "MOVES",
    "QUARANTINE",
    "RECORD",
    "RELEASE",
    "RELEASES",
    "SECRET",
    "SETTLED",
    "SIGNING_KEY",
    "STATES",
    "STATISTICS",
    "STRANGERS",
    "VERIFIER_KEY",
    "Actor",
    "ArtefactRecord",
    "Artefacts",
    "Clock",
    "Digest",
    "ImageRecord",
    "KeptStrangers",
    "Limits",
    "Move",
    "MoveRecord",
    "Original",
    "Plan",
    "Pseudonyms",
    "Request",
    "Role",
    "Runner",
    "Settings",
    "State",
    "Transaction",
    "Workspace",
    "digest_of",
    "find_workspace",
    "kept_strangers",
    "moment",
    "moved",
    "parse_day",
    "possible",
    "utc_now",
    "writing",
]
