"""The life of requests: states, store, leases and the images in between. Nothing here needs torch."""

from expunge.workspace.artefacts import Artefacts, Digest
from expunge.workspace.intake import Limits
from expunge.workspace.leases import LEASE, Plan
from expunge.workspace.rows import ArtefactRecord, ImageRecord, MoveRecord
from expunge.workspace.runner import Runner
from expunge.workspace.settings import Original, Settings, find_workspace
from expunge.workspace.states import MOVES, SETTLED, Actor, Move, Request, Role, State, possible
from expunge.workspace.transaction import Transaction
from expunge.workspace.workspace import Workspace

__all__ = [
    "LEASE",
    "MOVES",
    "SETTLED",
    "Actor",
    "ArtefactRecord",
    "Artefacts",
    "Digest",
    "ImageRecord",
    "Limits",
    "Move",
    "MoveRecord",
    "Original",
    "Plan",
    "Request",
    "Role",
    "Runner",
    "Settings",
    "State",
    "Transaction",
    "Workspace",
    "find_workspace",
    "possible",
]
