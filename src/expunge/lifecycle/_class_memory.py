"""The memory of a workspace: what a method may use of it, and what goes when a request is released."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from expunge.ledger import DataFacts
from expunge.lifecycle._session import Session
from expunge.memory import Index, Memory, forget_classes, load_memory
from expunge.methods import Method, uses_memory
from expunge.workspace import STATISTICS, Actor, Request, State, Workspace, digest_of


def recall(session: Session, method: Method, gone: Sequence[str]) -> Memory | None:
    """The workspace's memory without classes that other edits have taken; None if the method reads none.

    Raises:
        ClassMemoryError: It is missing or damaged, or was taken from another model than the original.
    """
    folder = _folder(session.workspace)
    if folder is None or not uses_memory(method):
        return None
    model: Any = session.original
    return load_memory(folder, model, sha256=session.sha256).without([model.classes.index(name) for name in gone])


def lowest_block(workspace: Workspace, method: Method) -> int:
    """Index of the lowest block that a method can edit with the workspace's memory; 0 if it reads none.

    Raises:
        ClassMemoryError: The memory is missing or damaged.
    """
    folder = _folder(workspace)
    return 0 if folder is None or not uses_memory(method) else Index.read(folder).entry


def remembered_facts(workspace: Workspace, method: Method, gone: Sequence[str]) -> tuple[DataFacts, ...]:
    """Record of the data that `recall` hands out: the images behind it, and one digest over all statistics.

    Raises:
        ClassMemoryError: The memory is missing or damaged.
    """
    folder = _folder(workspace)
    if folder is None or not uses_memory(method):
        return ()
    used = Index.read(folder).without(gone).statistics
    digest = digest_of(one.sha256 for one in used)
    return (DataFacts(role=STATISTICS, count=sum(one.count for one in used), sha256=digest),)


def note_statistics(workspace: Workspace, request: Request, actor: Actor) -> None:
    """Notes the digests of the statistics that go with a released request, while they are still there.

    Only then can their destruction be recorded whenever the machine stops on the way.

    Raises:
        HeldError: A hold stands.
        ClassMemoryError: The memory is missing or damaged.
    """
    folder = _folder(workspace)
    if folder is None or request.state != State.RELEASED:
        return
    found = {one.sha256 for one in Index.read(folder).named(request.targets)}
    noted = {row.sha256 for row in workspace.artefact_records(request.id) if row.role == STATISTICS}
    if found - noted:
        with workspace.transaction() as transaction:
            transaction.require_destroyable(request.id)
            for sha256 in sorted(found - noted):
                transaction.record_artefact(request.id, STATISTICS, sha256, None, actor)


def forget_statistics(workspace: Workspace, request: Request) -> None:
    """Deletes the statistics of a request's classes from the memory; what is gone already is fine.

    Raises:
        ClassMemoryError: The memory is missing or damaged.
        OutputError: The disk refuses.
    """
    folder = _folder(workspace)
    if folder is not None:
        forget_classes(folder, request.targets)


def _folder(workspace: Workspace) -> Path | None:
    memory = workspace.settings.memory
    return None if memory is None else Path(memory)
