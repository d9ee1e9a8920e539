"""The cumulative watch: after every release the whole history is measured again, limits kept in view.

Only test images are needed for it, so it works when the forget images are long destroyed.
"""

import time
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from expunge.errors import DamagedWorkspaceError, LedgerError
from expunge.evidence import Policy
from expunge.ledger import Count, Moment, Record, Sha256, read_record
from expunge.lifecycle._recovery import MODEL
from expunge.lifecycle._session import Session
from expunge.lifecycle._shares import shares_of
from expunge.lifecycle.applied import AppliedEdit, applied_edits, edit_of, stacked
from expunge.runs import read
from expunge.tasks import Share, find_task, task_of
from expunge.values import recorded_task
from expunge.vision import Wrapped
from expunge.workspace import Actor, Role, Workspace, moment

SCHEMA, ROLE = "expunge/watch/v1", "watch"
WATCH = Actor("watch", Role.RUNNER)
NEAR = 0.75
"""A warning begins at this part of what a limit allows."""
Percent = Annotated[float, Field(ge=0, le=100)]


def _absent(value: Any) -> bool:
    """Optional keys are left out where they say nothing: then older files and newer ones of classifiers are alike."""
    return value is None


class Earlier(Record):
    """Accuracy of the model as it is now on one request's classes.

    Attributes:
        requests: IDs of the requests that share its edit.
        accuracy: In percent; of a detector AP50, mean over the classes.
        n: Test images; of a detector objects.
        classes: Of how many classes the rate is the mean; the key is absent for classifiers.
    """

    requests: tuple[str, ...]
    accuracy: Percent
    n: Count
    classes: Annotated[Count | None, Field(exclude_if=_absent)] = None


class Point(Record):
    """The whole history at one release.

    Attributes:
        schema_: Name and version of the format; the key is `schema`.
        time: When it was measured.
        model: Digest of the weights.
        edits: How many edits stand.
        acc_r: Accuracy on the classes that stay, in percent.
        acc_r_original: The original's on the same images.
        acc_r_mask: The original's with the forgotten classes struck from its head.
        n: Test images of classes that stay.
        earlier: Each edit's own classes, oldest first.
        drift: Block -> ‖ΔW‖/‖W‖, Frobenius norms over all its parameters.
        seconds: How long this took.
        task: What the model does: for "detection" rates are AP50, means over classes, and `n` counts objects. The
            key is absent for a classifier.
    """

    schema_: Annotated[Literal["expunge/watch/v1"], Field(alias="schema")] = SCHEMA
    time: Moment
    model: Sha256
    edits: Count
    acc_r: Percent
    acc_r_original: Percent
    acc_r_mask: Percent
    n: Count
    earlier: tuple[Earlier, ...]
    drift: dict[str, Annotated[float, Field(ge=0)]]
    seconds: Annotated[float, Field(ge=0)]
    task: Annotated[str | None, Field(exclude_if=_absent)] = None

    @property
    def acc_o(self) -> float | None:
        """The rate on all forgotten classes together, in percent; None where none has a test image."""
        weights = [one.n if one.classes is None else one.classes for one in self.earlier]
        n = sum(weights)
        return sum(one.accuracy * weight for one, weight in zip(self.earlier, weights, strict=True)) / n if n else None

    @property
    def rate(self) -> str:
        """Name of its rates in tables: Acc_r is the rate "Acc" on the classes that stay."""
        return "Acc" if self.task is None else find_task(self.task).unit

    @property
    def loss(self) -> float:
        """Loss of Acc_r against the original's, in points."""
        return self.acc_r_original - self.acc_r


def history(workspace: Workspace) -> tuple[Point, ...]:
    """All points so far, oldest first.

    Raises:
        DamagedWorkspaceError: One is missing or damaged.
    """
    requests = workspace.requests()
    rows = [row for one in requests for row in workspace.artefact_records(one.id) if row.role == ROLE]
    return tuple(_read(workspace, row.sha256) for row in sorted(rows, key=lambda row: row.seq))


def look(session: Session, request: str, *, device: str = "cpu") -> Point:
    """Measures the model that may be served and all its history, unless that is the last thing that was measured.

    Args:
        session: The command on the workspace.
        request: What was released or rolled back last. The point is recorded under it; its images are taken.
        device: Where to compute.
    """
    workspace = session.workspace
    edits, known = applied_edits(workspace), history(workspace)
    model = stacked(session.copy(device), edits).model
    sha256 = model.digest() if edits else session.sha256
    shown = (sha256, tuple(one.requests for one in edits))
    if known and (known[-1].model, tuple(one.requests for one in known[-1].earlier)) == shown:
        return known[-1]
    attempt = edit_of(workspace, request).attempt
    original = session.original_on(device)
    point = _measured(workspace, edits, model, sha256, original, attempt.data, attempt.seed)
    with workspace.storing(point.to_bytes()) as (transaction, stored):
        transaction.record_artefact(request, ROLE, stored.sha256, stored.bytes, WATCH)
    return point


def catch_up(workspace: Workspace, *, device: str = "cpu") -> None:
    """Measures what a crash left unmeasured after the last release or rollback."""
    rows = [row for one in workspace.requests() for row in workspace.artefact_records(one.id)]
    seen = max((row.seq for row in rows if row.role == ROLE), default=-1)
    due = max((row for row in rows if row.role == MODEL), key=lambda row: row.seq, default=None)
    if due is not None and due.request is not None and due.seq > seen:
        look(Session(workspace), due.request, device=device)


def warnings(points: Sequence[Point], rules: Policy) -> tuple[str, ...]:
    """Warnings of limits of the policy that are near or crossed, and when, at the pace so far, they will be."""
    if not points or not points[-1].edits:
        return ()
    found = []
    for rule in rules.rule:
        now = {"acc_o": points[-1].acc_o, "acc_r": points[-1].loss}.get(rule.key)
        limit = rule.max if rule.key == "acc_o" else rule.max_loss_from_original
        if now is None or limit is None:
            continue
        rate = points[-1].rate
        label = f"{rate}_o" if rule.key == "acc_o" else f"the loss of {rate}_r"
        if now > limit:
            found.append(f"{label} is {now:.2f}, above the policy's limit of {limit:g}.")
        elif now >= NEAR * limit and now > 0:
            pace = now / points[-1].edits
            found.append(
                f"{label} is {now:.2f}, near the policy's limit of {limit:g}; at this pace it is crossed after "
                f"{int((limit - now) / pace) + 1} more edits."
            )
    return tuple(dict.fromkeys(found))


def _measured(
    workspace: Workspace,
    edits: Sequence[AppliedEdit],
    model: Wrapped,
    sha256: str,
    original: Wrapped,
    data: str,
    seed: int,
) -> Point:
    started, task = time.perf_counter(), task_of(original)
    index = {name: i for i, name in enumerate(model.classes)}
    groups = [[index[name] for name in one.attempt.targets] for one in edits]
    test = task.align(read(data, like=model, seed=seed), model.classes, partial=True).test
    shares = shares_of(model, original, test, groups)
    return Point(
        time=moment(workspace.now()),
        model=sha256,
        edits=len(edits),
        acc_r=shares.kept.percent,
        acc_r_original=shares.original.percent,
        acc_r_mask=shares.masked.percent,
        n=shares.kept.n,
        earlier=tuple(map(_earlier, edits, shares.earlier)),
        drift=drift(original, model),
        seconds=time.perf_counter() - started,
        task=recorded_task(task.name),
    )


def _earlier(one: AppliedEdit, share: Share) -> Earlier:
    return Earlier(requests=one.requests, accuracy=share.percent, n=share.n, classes=share.classes)


def drift(original: Wrapped, model: Wrapped) -> dict[str, float]:
    """For each block ‖W' − W‖/‖W‖, Frobenius norms over all its parameters; 0.0 where nothing changed."""
    found = {}
    for block in original.blocks:
        before = dict(original.module.get_submodule(block.name).named_parameters())
        after = dict(model.module.get_submodule(block.name).named_parameters())
        moved = sum(float((after[name].double() - w.double()).square().sum()) for name, w in before.items())
        size = sum(float(w.double().square().sum()) for w in before.values())
        found[block.name] = (moved / size) ** 0.5 if size else 0.0
    return found


def _read(workspace: Workspace, sha256: str) -> Point:
    try:
        data = workspace.artefacts.read(sha256)
        return read_record(Point, data, limit=4 << 20, what="watch", version=("schema", SCHEMA))
    except LedgerError as error:
        raise DamagedWorkspaceError(f"The artefact {sha256} cannot be read. {error}") from error
