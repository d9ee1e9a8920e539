"""Signed record: an append-only Merkle log, certificates, and their verification. Knows nothing of torch."""

from expunge.ledger.certificate import MOST_BYTES, ROLE, Certificate, certify, issue, payload_digest, seal
from expunge.ledger.check import Finding, LedgerReport, check
from expunge.ledger.checkpoint import Checkpoint, parse_checkpoint
from expunge.ledger.dsse import Envelope, EnvelopeRecord
from expunge.ledger.entries import Artefact, Destruction, Entry, Facts, KeyEvent, PolicyChange, StateMove
from expunge.ledger.folder import FolderStorage
from expunge.ledger.keyring import KeyRecord, KeyRing, introduce
from expunge.ledger.keys import PublicKey, SigningKey, read_public
from expunge.ledger.log import Log, Proof
from expunge.ledger.names import carried
from expunge.ledger.records import Count, Moment, Record, Sha256, first_problem, read_record
from expunge.ledger.statement import (
    CLAIM,
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
from expunge.ledger.storage import MemoryStorage, Storage, conflict
from expunge.ledger.text import to_base64
from expunge.ledger.verify import Verified, verify

__all__ = [
    "CLAIM",
    "MOST_BYTES",
    "OUT_OF_SCOPE",
    "ROLE",
    "Artefact",
    "Certificate",
    "Checkpoint",
    "Count",
    "DataFacts",
    "Destruction",
    "Entry",
    "Envelope",
    "EnvelopeRecord",
    "Facts",
    "Finding",
    "FolderStorage",
    "KeyEvent",
    "KeyRecord",
    "KeyRing",
    "LedgerReport",
    "Log",
    "MemoryStorage",
    "MethodFacts",
    "Moment",
    "PolicyChange",
    "PolicyFacts",
    "Predicate",
    "Proof",
    "PublicKey",
    "Record",
    "RequestFacts",
    "Sha256",
    "SigningKey",
    "StateMove",
    "Statement",
    "Storage",
    "StrangersFacts",
    "Target",
    "Times",
    "Verdict",
    "Verified",
    "carried",
    "certify",
    "check",
    "conflict",
    "first_problem",
    "introduce",
    "issue",
    "parse_checkpoint",
    "payload_digest",
    "read_public",
    "read_record",
    "seal",
    "to_base64",
    "verify",
]
