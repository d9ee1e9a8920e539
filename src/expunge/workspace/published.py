"""Holds the folder of releases against the ledger, which names the record of every release and the served model."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

RELEASES, RECORD, CURRENT, MODEL = "releases", "release.json", "current", "model"
RELEASE = "release"
"""Under which role the ledger knows the digest of a release's record."""


def altered_releases(folder: Path, recorded: Iterable[str], served: str | None) -> list[str]:
    """Differences of the releases from what the ledger says, one sentence each.

    Args:
        folder: The folder of releases.
        recorded: Digests of release records that the ledger holds.
        served: Digest of the model that may be served, by the ledger.
    """
    if not (folder / CURRENT).is_file():
        return [f"{folder / CURRENT} is missing."] if set(recorded) else []
    try:
        found = {_sha256(path): path for path in sorted(folder.glob(f"*/{RECORD}"))}
        lost = len(set(recorded) - found.keys())
        sentences = [f"{lost} release records in {folder} were changed or taken away."] if lost else []
        number = json.loads((folder / CURRENT).read_bytes())["number"]
        return sentences + _altered_model(folder / f"{number:04d}", served)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return [f"The releases in {folder} cannot be read: a record, or the pointer to the current one, is damaged."]


def _altered_model(release: Path, served: str | None) -> list[str]:
    """Whether the release that may be served is the one that the ledger names, file by file as its record says."""
    record: dict[str, Any] = json.loads((release / RECORD).read_bytes())
    if record["weights_after"] != served:
        return [
            f"{release} may be served, and the ledger names another model. After an interrupted release or rollback "
            "`expunge run` sets this right."
        ]
    model = release / MODEL
    there = {path.relative_to(model).as_posix(): path for path in model.rglob("*") if not path.is_dir()}
    differing = {name for name, path in there.items() if record["files"].get(name) != _sha256(path)}
    return [
        f"{model / name} was changed, added or taken away since it was published."
        for name in sorted(differing | (record["files"].keys() - there.keys()))
    ]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
