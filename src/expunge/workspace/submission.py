"""The small decisions about a new request: its ID, its targets, the digest of its images."""

import hashlib
import secrets
import unicodedata
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from expunge.errors import DuplicateClassError, RequestError, UnknownClassError

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: none is taken for another
_MOST_LETTERS = 200


def new_id() -> str:
    """A pseudonym that says nothing of the request, its person or the number of requests."""
    return "r-" + "".join(secrets.choice(_LETTERS) for _ in range(10))


def check_targets(targets: Sequence[str], classes: Sequence[str]) -> tuple[str, ...]:
    """The targets in the composed form.

    Args:
        targets: Names of classes as given.
        classes: The model's classes; empty where they are not known.

    Raises:
        RequestError: There is none, or a name is empty, overlong or not printable.
        DuplicateClassError: One is given twice.
        UnknownClassError: The model has no such class.
    """
    names = tuple(unicodedata.normalize("NFC", target.strip()) for target in targets)
    if not names or not all(name.isprintable() and 0 < len(name) <= _MOST_LETTERS for name in names):
        raise RequestError(f"A request names one class or more, each with 1 to {_MOST_LETTERS} printable characters.")
    if len(set(names)) < len(names):
        raise DuplicateClassError(f"A request names each class once, got {', '.join(names)}")
    for name in names:
        if classes and name not in classes:
            near = get_close_matches(name, classes, 3)
            hint = f"did you mean {', '.join(near)}?" if near else f"it has {len(classes)} classes"
            raise UnknownClassError(f"The model has no class {name!r}; {hint}")
    return names


def digest_of(sha256s: Iterable[str]) -> str:
    """One digest over many: SHA-256 of the sorted distinct ones, each in hexadecimal and followed by a newline."""
    return hashlib.sha256("".join(f"{sha256}\n" for sha256 in sorted(set(sha256s))).encode()).hexdigest()
