"""Destroys the images of a settled request, and what goes with them, and records what was destroyed.

The files are unlinked and their folders' names are synced. They are not overwritten first: on solid-state disks and on
file systems that copy on write, new bytes go elsewhere and the old blocks stay; overwriting would only look like more.
Whoever must rule out that blocks are read from the bare device encrypts the disk, and backups are theirs to clean.
"""

from collections.abc import Callable
from pathlib import Path

from expunge.errors import DamagedWorkspaceError, HeldError
from expunge.ledger import Destruction
from expunge.workspace.disk import links_in, remove_folder, writing
from expunge.workspace.rows import read_artefacts
from expunge.workspace.states import Actor, Request, State
from expunge.workspace.submission import digest_of
from expunge.workspace.transaction import Transaction

STATISTICS = "class-statistics"
"""Role and code of a class's statistics in the memory. They are noted as artefacts before they are destroyed."""

Forget = Callable[[Request], None]


def destroy_images(
    transaction: Transaction, quarantine: Path, request: str, actor: Actor, forget: Forget | None = None
) -> Request:
    """Destroys a request's images within a transaction, so that no hold can be put on them meanwhile.

    Statistics of its classes that are noted go with them if it is released; a class that was refused or rolled back
    stays in the model, and so do they. If the machine stops on the way, doing it again goes on from there; what was
    destroyed and recorded stays so.

    Args:
        transaction: An open transaction.
        quarantine: Where the images lie.
        request: ID of the request.
        actor: Who does it.
        forget: Deletes the statistics of a request's classes from the memory, as far as they are there.

    Raises:
        HeldError: The request is not settled, a hold stands, or statistics are noted and nothing can delete them.
        DamagedWorkspaceError: The images lie behind a link. Nothing is destroyed then, and nothing is recorded.
        OutputError: The disk refuses.
    """
    found = transaction.request(request)
    if found.destroyed is not None:
        return found
    found = transaction.require_destroyable(request)
    rows = read_artefacts(transaction.connection, found.id) if found.state == State.RELEASED else ()
    noted = {row.sha256 for row in rows if row.role == STATISTICS}
    if noted and forget is None:
        raise HeldError(
            f"Request {request} is released: `expunge run` destroys its images and its classes' statistics."
        )
    if links := links_in(quarantine / found.id):  # only the link would go, and the images would stay where it leads
        raise DamagedWorkspaceError(
            f"{links[0]} is a link, so the images of request {request} lie elsewhere and are not destroyed. Expected "
            "a plain folder: put what the link leads to in its place."
        )
    with writing(f"The quarantine {quarantine}"):
        remove_folder(quarantine / found.id)
    if noted and forget is not None:
        forget(found)
        facts = Destruction(what=STATISTICS, count=len(noted), sha256=digest_of(noted))
        transaction.append(facts, actor, found.id)
    return transaction.record_destruction(found, actor)
