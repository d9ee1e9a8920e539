"""Upkeep between steps, after a crash too: the served release and destroyed images are as they must be.

The ledger is right: the last model that it names for a request is the one that may be served. A release that was
published and never recorded, because the machine stopped in between, is not served.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from hashlib import sha256

from expunge.errors import BusyWorkspaceError, HeldError
from expunge.lifecycle._class_memory import forget_statistics, note_statistics
from expunge.lifecycle.applied import task_for
from expunge.locks import alone
from expunge.release import ReleaseRecord, Releases
from expunge.runs import load
from expunge.workspace import RECORD, RELEASE, RELEASES, Actor, Role, Transaction, Workspace

LOCK = "releases.lock"
MODEL = "model"
UPKEEP = Actor("upkeep", Role.RUNNER)


def releases_of(workspace: Workspace) -> Releases:
    """The releases of a workspace, in its folder `releases/`."""
    return Releases(workspace.path / RELEASES, load=partial(load, task=task_for(workspace).name, device="cpu"))


@contextmanager
def only_writer(workspace: Workspace) -> Iterator[None]:
    """Keeps other processes from publishing meanwhile.

    Raises:
        BusyWorkspaceError: Another one is publishing.
        ReadOnlyWorkspaceError: Nothing may be written there.
    """
    with workspace.transaction():
        pass  # a clear refusal where nothing may be written
    with alone(workspace.path / LOCK) as nobody_else:
        if not nobody_else:
            raise BusyWorkspaceError("Another process is releasing or rolling back. Try again when it is done.")
        yield


def recover(workspace: Workspace) -> None:
    """Finishes what a crash interrupted; does nothing where nothing is to be done, or somebody else is at it."""
    with suppress(BusyWorkspaceError), only_writer(workspace):
        point_to_recorded(workspace)
    destroy_due(workspace)


def point_to_recorded(workspace: Workspace) -> None:
    """Lets the release be served that the ledger names. The caller is the only writer.

    Raises:
        ReleaseDamagedError: It is not what was published.
    """
    releases, wanted = releases_of(workspace), served(workspace)
    now = releases.current()
    if now is not None and now.weights_after != wanted:
        found = published(releases, wanted)
        if found is not None:
            releases.rollback(to=found.number)


def served(workspace: Workspace) -> str | None:
    """Digest of the model that may be served, by the ledger; the original's before the first release."""
    rows = [row for request in workspace.requests() for row in workspace.artefact_records(request.id)]
    models = [row for row in rows if row.role == MODEL]
    return max(models, key=lambda row: row.seq).sha256 if models else workspace.settings.model.sha256


def published(releases: Releases, model: str | None) -> ReleaseRecord | None:
    """The newest release of a model that is still there whole; None if there is none."""
    for number in reversed(releases.numbers()):
        if releases.record(number).weights_after == model and (releases.folder / f"{number:04d}" / MODEL).is_dir():
            return releases.record(number)
    return None


def record_published(
    workspace: Workspace, transaction: Transaction, request: str, release: ReleaseRecord, actor: Actor
) -> None:
    """Notes the model that may be served from now on, and the digest of its release's record."""
    record = (releases_of(workspace).model_folder(release.number).parent / RECORD).read_bytes()
    transaction.record_artefact(request, MODEL, release.weights_after, None, actor)
    transaction.record_artefact(request, RELEASE, sha256(record).hexdigest(), len(record), actor)


def destroy_due(workspace: Workspace) -> None:
    """Destroys the images of settled requests, and the statistics of released classes, unless a hold stands.

    Raises:
        ClassMemoryError: The memory that holds statistics is missing or damaged.
    """
    for request in workspace.destroyable():
        with suppress(HeldError):
            note_statistics(workspace, request, UPKEEP)
            workspace.destroy_images(request.id, UPKEEP, forget=partial(forget_statistics, workspace))
