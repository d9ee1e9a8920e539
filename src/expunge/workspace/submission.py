"""The small decisions about a new request: its ID, its targets, the digest of its images."""

import hashlib
import json
import re
import secrets
import unicodedata
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from expunge.errors import DuplicateClassError, RequestError, UnknownClassError
from expunge.workspace.rows import ImageRecord
from expunge.workspace.states import Request

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: none is taken for another
_MOST_LETTERS = 200


def new_id() -> str:
    """A pseudonym that says nothing of the request, its person or the number of requests."""
    return "r-" + "".join(secrets.choice(_LETTERS) for _ in range(10))


def is_id(name: str) -> bool:
    """Whether `new_id` could have made it."""
    return re.fullmatch(rf"r-[{_LETTERS}]{{10}}", name) is not None


def spelled(name: str) -> str:
    """The one spelling by which names of classes are compared: composed, without outer spaces."""
    return unicodedata.normalize("NFC", name.strip())


def require_distinct(classes: Sequence[str]) -> None:
    """Refuses classes that a request could not tell apart.

    Raises:
        DuplicateClassError: Two of them differ in nothing but the form of their letters or outer spaces.
    """
    seen: dict[str, str] = {}
    for name in classes:
        other = seen.setdefault(spelled(name), name)
        if other is not name:
            raise DuplicateClassError(
                f"The model's classes {other!r} and {name!r} are one name to a request, which ignores outer spaces and "
                "the form of accents. Rename one of them in the model."
            )


def check_targets(targets: Sequence[str], classes: Sequence[str]) -> tuple[str, ...]:
    """The targets as the model spells them; in the composed form where its classes are not known.

    Args:
        targets: Names of classes as given.
        classes: The model's classes; empty where they are not known.

    Raises:
        RequestError: There is none, or a name is empty, overlong or not printable.
        DuplicateClassError: One is given twice.
        UnknownClassError: The model has no such class.
    """
    names = tuple(map(spelled, targets))
    if not names or not all(name.isprintable() and 0 < len(name) <= _MOST_LETTERS for name in names):
        raise RequestError(f"A request names one class or more, each with 1 to {_MOST_LETTERS} printable characters.")
    if len(set(names)) < len(names):
        raise DuplicateClassError(f"A request names each class once, got {', '.join(names)}")
    known = {spelled(name): name for name in classes}
    for name in names:
        if known and name not in known:
            near = get_close_matches(name, known, 3)
            hint = f"did you mean {', '.join(near)}?" if near else f"it has {len(classes)} classes"
            raise UnknownClassError(f"The model has no class {name!r}; {hint}")
    return tuple(known.get(name, name) for name in names)


def require_same(known: Request, targets: Sequence[str], images_sha256: str) -> Request:
    """The request that bears a token, if a repeated submission asks the same.

    Raises:
        RequestError: It asks for other targets, or brings other images.
    """
    if set(known.targets) == set(targets) and known.images_sha256 == images_sha256:
        return known
    raise RequestError(
        f"This token belongs to request {known.id}, which has other targets or other images. A token repeats one "
        "submission; give another request another token."
    )


def facts_of(request: Request, images: Iterable[ImageRecord], digests: tuple[str | None, str | None]) -> str:
    """Facts of a request, spelled out for a keyed digest: whoever changes a row cannot make the same one.

    Args:
        request: The request.
        images: What is recorded of its images.
        digests: Those of its subject and its token.
    """
    rows = sorted((image.target, image.sha256, image.format, image.bytes) for image in images)
    facts = [list(request.targets), request.due.isoformat(), request.images, rows, *digests]
    return json.dumps(facts, ensure_ascii=False)


def digest_of(sha256s: Iterable[str]) -> str:
    """One digest over many: SHA-256 of the sorted distinct ones, each in hexadecimal and followed by a newline."""
    return hashlib.sha256("".join(f"{sha256}\n" for sha256 in sorted(set(sha256s))).encode()).hexdigest()
