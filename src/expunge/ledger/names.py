"""Lists of names as a statement carries them: a model can have more classes than a certificate has room for."""

import hashlib
from collections.abc import Sequence

from pydantic import JsonValue

from expunge.ledger._canonical import canonical

MOST_NAMES = 1_000


def carried(names: Sequence[str]) -> JsonValue:
    """The names themselves, in their order; of more than `MOST_NAMES` their count and one digest.

    Returns:
        A list, or `{"count": …, "sha256": …}` with the SHA-256 of the list as canonical JSON (RFC 8785).
    """
    if len(names) <= MOST_NAMES:
        return list(names)
    return {"count": len(names), "sha256": hashlib.sha256(canonical(list(names))).hexdigest()}
