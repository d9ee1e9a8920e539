"""The strangers of a workspace: kept once, bound to its original model, and brought out for every verdict.

Where an image shows one class alone, no photo is kept, but what enters the lowest block that the default method may
edit, and thumbnails of 8 × 8 pixels. Scenes are read anew from their path each time; a digest of pictures and boxes
says whether they are still those that were shown.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save_file
from torch import Tensor

from expunge.data import Images, Splits
from expunge.errors import DamagedWorkspaceError, EvidenceError
from expunge.evidence.strangers import KeptSample, States, Strangers, without_pictures
from expunge.lifecycle._records import Judgement, newest
from expunge.lifecycle.applied import task_for
from expunge.methods import ClosedForm
from expunge.runs import read, strangers_of
from expunge.tasks import Task, task_of
from expunge.workspace import FILE, STATES, STRANGERS, Actor, KeptStrangers, State, Workspace, digest_of, kept_strangers

CHANGED = "The strangers in {source} are others than those that were kept. Put them back, or add the new ones."


@dataclass(frozen=True, eq=False)
class Prepared:
    """Strangers, ready to be kept.

    Attributes:
        record: What is said of them.
        strangers: Their hidden states; None where they are read from their place.
    """

    record: KeptStrangers
    strangers: Strangers | None = None


def prepare_strangers(model: Any, source: str, *, by_path: bool = False, skip_unreadable: bool = False) -> Prepared:
    """Reads strangers, and takes of them what a workspace keeps.

    Args:
        model: The original model.
        source: Data like those of the model, or `zoo:NAME`. A path must mean the same from any folder.
        by_path: Whether path and digest are kept in place of hidden states, so that any block may be edited. Where an
            example may show several classes they always are: hidden states of a scene are no stranger's alone.
        skip_unreadable: Whether to leave out images that cannot be decoded.

    Raises:
        DataError: There are no images.
        EvidenceError: No class has training and test images both, or one is a class of the model.
    """
    task = task_of(model)
    splits = read(source, task=task.name, seed=0, skip_unreadable=skip_unreadable)
    found = strangers_of(splits)
    found.refuse_known(model.classes, alone=task.alone)
    by_path = by_path or not task.alone
    entry = None if by_path else ClosedForm(depth="thorough").first_block(model)
    record = _record(task, model.digest(), model.classes, entry, source, splits)
    if entry is None:
        return Prepared(record)
    states = States.of(model, found.attack, found.test, entry)
    attack = without_pictures(model, found.attack, seen=True)
    return Prepared(record, Strangers(attack, without_pictures(model, found.test, seen=False), states))


def keep_strangers(workspace: Workspace, prepared: Prepared, actor: Actor) -> None:
    """Keeps strangers in a workspace, in place of those that were there; the ledger holds a digest of them.

    Raises:
        EvidenceError: They were prepared for another model.
        OutputError: The disk refuses.
    """
    if workspace.settings.model.sha256 not in (None, prepared.record.model):
        raise EvidenceError("Expected strangers that the workspace's own model has looked at. Prepare them with it.")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / FILE).write_bytes(prepared.record.to_bytes())
        if prepared.strangers:
            save_file(_tensors(prepared.strangers), folder / STATES)
        with workspace.storing(folder) as (transaction, stored):
            transaction.record_artefact(None, STRANGERS, stored.sha256, stored.bytes, actor)


def reopen(workspace: Workspace, actor: Actor) -> tuple[str, ...]:
    """Accepts requests anew whose evidence was not enough, so that they are measured beside what is there now."""
    found = []
    for request in workspace.requests(State.MEASURED):
        judged = newest(workspace, request.id, Judgement)
        if judged is not None and judged[1].outcome == "not_enough_evidence":
            workspace.move(request.id, State.ACCEPTED, actor, "strangers were added")
            found.append(request.id)
    return tuple(found)


def workspace_strangers(workspace: Workspace) -> Strangers | None:
    """The workspace's strangers; None where there are none.

    Raises:
        DamagedWorkspaceError: What was kept is missing or damaged, or others lie at its path now.
        DataError: What lies at its path cannot be read.
    """
    found = kept_strangers(workspace)
    if found is None:
        return None
    sha256, record = found
    if record.entry is None:
        task, known, source = task_for(workspace), workspace.settings.model.classes, record.source or ""
        splits = read(source, task=task.name, seed=0)
        if _record(task, record.model, known, None, source, splits) != record:
            raise DamagedWorkspaceError(CHANGED.format(source=source))
        return strangers_of(splits)
    tensors = load(workspace.artefacts.read_in(sha256, STATES))
    names = tuple(record.classes)
    attack = _images(tensors["attack_labels"], names, tensors["thumbnails"])
    states = States(record.entry, record.model, tensors["attack"], tensors["test"])
    return Strangers(attack, _images(tensors["test_labels"], names), states)


def lowest_kept(workspace: Workspace) -> int:
    """Index of the lowest block that may be edited, so that the strangers' hidden states stay what they are."""
    found = kept_strangers(workspace)
    return 0 if found is None else found[1].entry or 0


def refuse_below(workspace: Workspace, first_block: int, method: str) -> None:
    """Refuses a method that edits what lies below the strangers' hidden states, before any work is done.

    Raises:
        EvidenceError: It does.
    """
    lowest = lowest_kept(workspace)
    if first_block < lowest:
        raise EvidenceError(
            f"The strangers are kept as what enters block {lowest}, but {method} edits from block {first_block} on. "
            "Keep them by their path (expunge add-strangers SOURCE --by-path), or edit fewer blocks."
        )


def _record(
    task: Task[Any, Any], model: str, known: Sequence[str], entry: int | None, source: str, splits: Splits[Any]
) -> KeptStrangers:
    """Record of strangers; where an example may show several classes, of those alone that the model has not."""
    attack = splits.train + splits.validation
    if task.alone:
        names, images = attack.classes, (len(attack), len(splits.test))
        digest = digest_of((*task.digests(attack), *task.digests(splits.test)))
    else:
        rows = zip(attack.classes, attack.counts(), splits.test.counts(), strict=True)
        new = [row for row in rows if row[0] not in known and row[1] and row[2]]
        names, images = tuple(row[0] for row in new), (sum(row[1] for row in new), sum(row[2] for row in new))
        digest = digest_of(digest_of(task.digests(part)) for part in (splits.train, splits.validation, splits.test))
    return KeptStrangers(
        model=model,
        entry=entry,
        source=source if entry is None else None,
        classes=tuple(names),
        images=images,
        sha256=digest,
    )


def _tensors(strangers: Strangers) -> dict[str, Tensor]:
    states = strangers.states
    assert states is not None
    return {
        "attack": states.attack.contiguous(),
        "test": states.test.contiguous(),
        "attack_labels": torch.tensor(strangers.attack.labels),
        "test_labels": torch.tensor(strangers.test.labels),
        "thumbnails": torch.stack([one.thumbnail for one in strangers.attack.samples]),  # pyright: ignore
    }


def _images(labels: Tensor, classes: tuple[str, ...], seen: Tensor | None = None) -> Images:
    kept = (None,) * len(labels) if seen is None else tuple(seen)
    samples = tuple(KeptSample(str(number), one) for number, one in enumerate(kept))
    return Images(samples, tuple(labels.tolist()), classes)
