"""The data of one plan: what came with its requests, and what was given of all that stays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

from expunge.data import E, FileSample, Images, Splits
from expunge.errors import RequestError
from expunge.ledger import DataFacts
from expunge.lifecycle._records import Attempt, newest
from expunge.lifecycle.applied import task_for
from expunge.runs import read
from expunge.tasks import Available
from expunge.workspace import QUARANTINE, Workspace, digest_of


@dataclass(frozen=True)
class Material(Generic[E]):
    """Data that a method and the evidence work with.

    Attributes:
        splits: Training examples without those of earlier requests, what was submitted for this plan among them;
            validation and test examples.
        available: The same as a method sees it.
        missing: Names of retained classes that are tested and have no training example.
        facts: Counts and digests, by role.
    """

    splits: Splits[E]
    available: Available[E]
    missing: tuple[str, ...]
    facts: tuple[DataFacts, ...]


def gather(
    workspace: Workspace, requests: Sequence[str], gone: Sequence[str], classes: Sequence[str], data: str, seed: int
) -> Material:
    """Puts the data of a plan together; see `Task.gather`.

    Args:
        workspace: Where the requests and their images are.
        requests: IDs of the plan.
        gone: Classes of this plan and of earlier requests.
        classes: The model's classes.
        data: What `read` takes.
        seed: Draws validation images, or composes scenes.

    Raises:
        DataError: The data cannot be read, or do not fit the model.
        DamagedWorkspaceError: Quarantined images are missing.
    """
    task = task_for(workspace)
    given = task.align(read(data, task=task.name, seed=seed), classes, partial=True)
    targets = {classes.index(name) for one in requests for name in workspace.request(one).targets}
    earlier = {classes.index(name) for name in gone} - targets
    found = task.gather(given, _quarantined(workspace, requests, classes), targets, earlier, seed)
    parts = (found.splits.train, found.splits.validation, found.splits.test)
    counts = enumerate(zip(*(part.counts() for part in parts), strict=True))
    out = {*targets, *earlier}
    return Material(
        splits=found.splits,
        available=found.available,
        missing=tuple(
            classes[label]
            for label, (learnt, held_out, tested) in counts
            if label not in out and tested and not (learnt or held_out)
        ),
        facts=tuple(
            DataFacts(role=role, count=len(examples), sha256=digest_of(task.digests(examples)))
            for role, examples in found.used.items()
        ),
    )


def last_data(workspace: Workspace) -> str:
    """Source of the data of the newest attempt.

    Raises:
        RequestError: Nobody has said so yet.
    """
    found = [newest(workspace, request.id, Attempt) for request in workspace.requests()]
    rows = [one for one in found if one is not None]
    if not rows:
        raise RequestError("Name the folder with retained images and test images once: expunge run --data DIR")
    return max(rows, key=lambda one: one[0].seq)[1].data


def _quarantined(workspace: Workspace, requests: Sequence[str], classes: Sequence[str]) -> Images:
    root = workspace.path / QUARANTINE
    samples, labels = [], []
    for request in requests:
        for target, paths in workspace.images(request).items():
            samples += [FileSample(root, path.relative_to(root).as_posix()) for path in paths]
            labels += [classes.index(target)] * len(paths)
    return Images(tuple(samples), tuple(labels), tuple(classes))
