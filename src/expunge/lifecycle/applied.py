"""Edits in force on the workspace's model, in order, and that model rebuilt from its pristine source."""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from expunge.adapters import Edit, EditStack, load_edit
from expunge.errors import DamagedWorkspaceError, ModelError, TaskError
from expunge.lifecycle._records import Attempt, Judgement, newest
from expunge.release import describing, differing, edit_digest
from expunge.runs import load
from expunge.tasks import Task, find_task
from expunge.values import CLASSIFICATION, recorded_task
from expunge.vision import HeadedBackbone, VisionModel, Wrapped, is_graph
from expunge.workspace import Original, Request, State, Workspace

M = TypeVar("M", bound=Wrapped)
OFFERED = (State.MEASURED, State.APPROVED)


@dataclass(frozen=True, eq=False)
class AppliedEdit:
    """An edit that stands, or shall stand.

    Attributes:
        key: Digest of its attempt.
        seq: Ledger entry of its attempt; edits stand in this order.
        requests: IDs of the requests it stands for. It may have been made for more.
        attempt: How it was made.
        edit: The edit.
    """

    key: str
    seq: int
    requests: tuple[str, ...]
    attempt: Attempt
    edit: Edit


def applied_edits(workspace: Workspace, *, offered: bool = False, but: Iterable[str] = ()) -> tuple[AppliedEdit, ...]:
    """The edits of all released requests, oldest first.

    Args:
        workspace: The workspace.
        offered: Whether those that the policy let through and that wait for their release count, too.
        but: Requests that do not count.

    Raises:
        DamagedWorkspaceError: An edit is missing or is not the one that was recorded.
    """
    out = set(but)
    chosen = [
        request for request in workspace.requests() if request.id not in out and _stands(workspace, request, offered)
    ]
    return arranged(edit_of(workspace, request.id) for request in chosen)


def edit_of(workspace: Workspace, request: str) -> AppliedEdit:
    """The edit that was last made for a request.

    Raises:
        DamagedWorkspaceError: There is none, or it is damaged.
    """
    found = newest(workspace, request, Attempt)
    if found is None:
        raise DamagedWorkspaceError(f"No edit is recorded for request {request}.")
    row, attempt = found
    return AppliedEdit(row.sha256, row.seq, (request,), attempt, read_edit(workspace, attempt))


def read_edit(workspace: Workspace, attempt: Attempt) -> Edit:
    """The edit of an attempt, from the store.

    Raises:
        DamagedWorkspaceError: It is missing or is not the one that was recorded.
    """
    with tempfile.TemporaryDirectory() as scratch:
        workspace.artefacts.take_folder(attempt.edit, Path(scratch))
        edit = load_edit(Path(scratch))
    if edit_digest(edit) != attempt.edit_sha256:
        raise DamagedWorkspaceError(f"The edit {attempt.edit} is not the one that was recorded.")
    return edit


def arranged(edits: Iterable[AppliedEdit]) -> tuple[AppliedEdit, ...]:
    """Edits in the order in which they were made; one that several requests share stands once."""
    together: dict[str, AppliedEdit] = {}
    for one in edits:
        other = together.get(one.key, one)
        names = tuple(sorted({*other.requests, *one.requests}))
        together[one.key] = AppliedEdit(one.key, min(one.seq, other.seq), names, one.attempt, one.edit)
    return tuple(sorted(together.values(), key=lambda one: one.seq))


def task_for(workspace: Workspace) -> Task[Any, Any]:
    """The task of a workspace's model, as `workspace.json` says; whoever loads the model makes sure of it.

    Raises:
        TaskError: It is of a package that is not installed here.
    """
    return find_task(workspace.settings.model.task or CLASSIFICATION)


def pristine(workspace: Workspace, device: str = "cpu") -> Wrapped:
    """The original model.

    Raises:
        DamagedWorkspaceError: What lies at its source is another model now.
        ModelError: It cannot be loaded.
    """
    original = workspace.settings.model
    task = task_for(workspace)
    try:
        model = load(original.source, task=task.name, device=device)
    except TaskError as error:
        raise DamagedWorkspaceError(
            f"The original model {error}; this workspace was made for an {task.noun}. Put the original back, or make a "
            "workspace for it: expunge init"
        ) from error
    if original.sha256 is not None and model.digest() != original.sha256:
        raise DamagedWorkspaceError(
            f"The original model {original.source} is another one than when the workspace was made: its weights have "
            f"the digest {model.digest()}, not {original.sha256}. Put the original back."
        )
    _require_same_meaning(original, model)
    return model


def original_of(model: Wrapped, source: str) -> Original:
    """Record of a workspace's original model.

    Args:
        model: The model, as loaded from `source`.
        source: A directory, a hub id or `zoo:NAME`. Only a directory has files that can be compared later.
    """
    files = describing(Path(source)) if Path(source).is_dir() else None
    return Original(
        source=source, sha256=model.digest(), classes=model.classes, task=recorded_task(model.task), files=files
    )


def require_releasable(model: Wrapped) -> None:
    """Refuses a model that could be edited and measured here, but whose releases nobody could load again.

    Raises:
        ModelError: Its module is none that a saved directory can be read into.
    """
    from transformers import PreTrainedModel

    module = model.module.backbone if isinstance(model.module, HeadedBackbone) else model.module
    if isinstance(model, VisionModel) and not (isinstance(module, PreTrainedModel) or is_graph(model)):
        raise ModelError(
            f"{model.name} is a {type(module).__name__}, which only Python code can build: its releases could not be "
            "loaded again. Expected a model of transformers, alone or as the backbone of a HeadedBackbone. Without a "
            "workspace, `expunge forget` edits this one, too."
        )


def _require_same_meaning(original: Original, model: Wrapped) -> None:
    """Refuses equal weights whose outputs stand for other classes, or are computed from other pixels.

    Raises:
        DamagedWorkspaceError: They do.
    """
    if original.classes and model.classes != original.classes:
        raise DamagedWorkspaceError(
            f"The original model {original.source} has other class names, or another order of them, than when the "
            "workspace was made: its weights are the same, and its outputs stand for other classes. Put the original "
            "back."
        )
    if original.files is not None:
        changed = differing(original.files, describing(Path(original.source)))
        if changed:
            raise DamagedWorkspaceError(
                f"In the original model {original.source}, {', '.join(changed)} changed since the workspace was made. "
                "Put the original back."
            )


def stacked(model: M, edits: Sequence[AppliedEdit]) -> EditStack[M]:
    """A pristine model with edits on it, in order."""
    stack = EditStack(model)
    for one in edits:
        stack.push(one.edit)
    return stack


def digests(edits: Sequence[AppliedEdit]) -> tuple[str, ...]:
    """The digests of edits, in order."""
    return tuple(one.attempt.edit_sha256 for one in edits)


def classes_of(edits: Sequence[AppliedEdit]) -> tuple[str, ...]:
    """All classes that edits forget, each once."""
    return tuple(dict.fromkeys(name for one in edits for name in one.attempt.targets))


def _stands(workspace: Workspace, request: Request, offered: bool) -> bool:
    if request.state == State.RELEASED:
        return True
    if not offered or (request.held_from or request.state) not in OFFERED:
        return False
    judged = newest(workspace, request.id, Judgement)
    return judged is not None and judged[1].erased
