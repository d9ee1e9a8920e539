"""What happened, signed: an append-only Merkle log, certificates, and their verification. Knows nothing of torch."""

from expunge.ledger.certificate import Certificate, certify, issue, seal
from expunge.ledger.check import Finding, Report, check
from expunge.ledger.checkpoint import Checkpoint, parse_checkpoint
from expunge.ledger.dsse import Envelope
from expunge.ledger.entries import Artefact, Destruction, Entry, Facts, KeyEvent, PolicyChange, StateMove
from expunge.ledger.folder import FolderStorage
from expunge.ledger.keyring import KeyRecord, KeyRing, introduce
from expunge.ledger.keys import PublicKey, SigningKey, read_public
from expunge.ledger.log import Log, Proof
from expunge.ledger.statement import (
    OUT_OF_SCOPE,
    DataFacts,
    MethodFacts,
    PolicyFacts,
    Predicate,
    RequestFacts,
    Statement,
    StrangersFacts,
    Target,
    Times,
    Verdict,
)
from expunge.ledger.storage import MemoryStorage, Storage
from expunge.ledger.verify import Verified, verify

__all__ = [
    "OUT_OF_SCOPE",
    "Artefact",
    "Certificate",
    "Checkpoint",
    "DataFacts",
    "Destruction",
    "Entry",
    "Envelope",
    "Facts",
    "Finding",
    "FolderStorage",
    "KeyEvent",
    "KeyRecord",
    "KeyRing",
    "Log",
    "MemoryStorage",
    "MethodFacts",
    "PolicyChange",
    "PolicyFacts",
    "Predicate",
    "Proof",
    "PublicKey",
    "Report",
    "RequestFacts",
    "SigningKey",
    "StateMove",
    "Statement",
    "Storage",
    "StrangersFacts",
    "Target",
    "Times",
    "Verdict",
    "Verified",
    "certify",
    "check",
    "introduce",
    "issue",
    "parse_checkpoint",
    "read_public",
    "seal",
    "verify",
]
