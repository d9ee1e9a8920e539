"""Destroys the images of a settled request, and records what was destroyed.

The files are unlinked and their folders' names are synced. They are not overwritten first: on solid-state disks and on
file systems that copy on write, new bytes go elsewhere and the old blocks stay; overwriting would only look like more.
Whoever must rule out that blocks are read from the bare device encrypts the disk, and backups are theirs to clean.
"""

from pathlib import Path

from expunge.workspace.disk import remove_folder, writing
from expunge.workspace.states import Actor, Request
from expunge.workspace.transaction import Transaction


def destroy_images(transaction: Transaction, quarantine: Path, request: str, actor: Actor) -> Request:
    """Destroys a request's images within a transaction, so that no hold can be put on them meanwhile.

    If the machine stops on the way, doing it again goes on from there; what was destroyed and recorded stays so.

    Raises:
        HeldError: The request is not settled, or a hold stands.
        OutputError: The disk refuses.
    """
    found = transaction.request(request)
    if found.destroyed is not None:
        return found
    found = transaction.require_destroyable(request)
    with writing(f"The quarantine {quarantine}"):
        remove_folder(quarantine / found.id)
    return transaction.record_destruction(found, actor)
