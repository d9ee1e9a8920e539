"""The cumulative watch: after every release the whole history is measured again, limits kept in view.

Only test images are needed for it, so it works when the forget images are long destroyed.
"""

import time
from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field

from expunge.data import Images, align
from expunge.errors import DamagedWorkspaceError, LedgerError
from expunge.evidence import accuracy_of, mask_classes
from expunge.evidence.policy import Policy
from expunge.ledger.records import Count, Moment, Record, Sha256, read_record
from expunge.lifecycle.standing import Standing, classes_of, edit_of, pristine, stacked, standing
from expunge.lifecycle.upkeep import MODEL
from expunge.requests import load_data
from expunge.values import Rate
from expunge.vision import ActivationCache, VisionModel
from expunge.workspace import Actor, Role, Workspace
from expunge.workspace.clock import moment

SCHEMA, ROLE = "expunge/watch/v1", "watch"
WATCH = Actor("watch", Role.RUNNER)
NEAR = 0.75
"""A warning begins at this part of what a limit allows."""
Percent = Annotated[float, Field(ge=0, le=100)]


class Earlier(Record):
    """What the model still says of one request's classes.

    Attributes:
        requests: IDs of the requests that share its edit.
        accuracy: In percent.
        n: Test images.
    """

    requests: tuple[str, ...]
    accuracy: Percent
    n: Count


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

    @property
    def acc_o(self) -> float | None:
        """Accuracy on all forgotten classes together, in percent; None where none has a test image."""
        n = sum(one.n for one in self.earlier)
        return sum(one.accuracy * one.n for one in self.earlier) / n if n else None

    @property
    def loss(self) -> float:
        """How far Acc_r has fallen below the original's, in points."""
        return self.acc_r_original - self.acc_r


def history(workspace: Workspace) -> tuple[Point, ...]:
    """All points so far, oldest first.

    Raises:
        DamagedWorkspaceError: One is missing or damaged.
    """
    requests = workspace.requests()
    rows = [row for one in requests for row in workspace.artefact_records(one.id) if row.role == ROLE]
    return tuple(_read(workspace, row.sha256) for row in sorted(rows, key=lambda row: row.seq))


def look(workspace: Workspace, request: str, *, device: str = "cpu") -> Point:
    """Measures the model that may be served and all its history, unless that is the last thing that was measured.

    Args:
        workspace: The workspace.
        request: What was released or rolled back last. The point is recorded under it; its images are taken.
        device: Where to compute.
    """
    edits, known = standing(workspace), history(workspace)
    model = pristine(workspace, device)
    stack = stacked(model, edits)
    shown = (model.digest(), tuple(one.requests for one in edits))
    if known and (known[-1].model, tuple(one.requests for one in known[-1].earlier)) == shown:
        return known[-1]
    attempt = edit_of(workspace, request).attempt
    test = align(load_data(attempt.data, seed=attempt.seed), model.classes, partial=True).test
    point = _measured(workspace, edits, stack.model, pristine(workspace, device), test)
    with workspace.storing(point.to_bytes()) as (transaction, stored):
        transaction.record_artefact(request, ROLE, stored.sha256, stored.bytes, WATCH)
    return point


def catch_up(workspace: Workspace, *, device: str = "cpu") -> None:
    """Measures what a crash left unmeasured after the last release or rollback."""
    rows = [row for one in workspace.requests() for row in workspace.artefact_records(one.id)]
    seen = max((row.seq for row in rows if row.role == ROLE), default=-1)
    due = max((row for row in rows if row.role == MODEL), key=lambda row: row.seq, default=None)
    if due is not None and due.request is not None and due.seq > seen:
        look(workspace, due.request, device=device)


def warnings(points: Sequence[Point], rules: Policy) -> tuple[str, ...]:
    """Which limits of the policy are near or crossed, and when, at the pace so far, they will be."""
    if not points or not points[-1].edits:
        return ()
    found = []
    for rule in rules.rule:
        now = {"acc_o": points[-1].acc_o, "acc_r": points[-1].loss}.get(rule.key)
        limit = rule.max if rule.key == "acc_o" else rule.max_loss_from_original
        if now is None or limit is None:
            continue
        label = "Acc_o" if rule.key == "acc_o" else "the loss of Acc_r"
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
    workspace: Workspace, edits: Sequence[Standing], model: VisionModel, original: VisionModel, test: Images
) -> Point:
    started = time.perf_counter()
    labels = torch.tensor(test.labels, dtype=torch.int64)
    now, before = (ActivationCache(one).outputs(test).logits.float().cpu() for one in (model, original))
    index = {name: i for i, name in enumerate(model.classes)}
    gone = sorted(index[name] for name in classes_of(edits))
    kept = [i for i in index.values() if i not in gone]
    rates = [accuracy_of(logits, labels, kept) for logits in (now, before, mask_classes(before, gone))]
    return Point(
        time=moment(workspace.now()),
        model=model.digest(),
        edits=len(edits),
        acc_r=rates[0].percent,
        acc_r_original=rates[1].percent,
        acc_r_mask=rates[2].percent,
        n=rates[0].n,
        earlier=tuple(
            _earlier(one, accuracy_of(now, labels, [index[name] for name in one.attempt.targets])) for one in edits
        ),
        drift=drift(original, model),
        seconds=time.perf_counter() - started,
    )


def _earlier(one: Standing, rate: Rate) -> Earlier:
    return Earlier(requests=one.requests, accuracy=rate.percent, n=rate.n)


def drift(original: VisionModel, model: VisionModel) -> dict[str, float]:
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
