"""Releases an approved edit: write the merged model, record and certify it in one commit, serve it, destroy images.

Whatever fails before the commit, the request is approved as before, and the old release is served. Killed after it,
the next command serves the new one and destroys the images. The command itself may simply be repeated.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from expunge.errors import OnnxError, ReleaseError
from expunge.lifecycle import certificate, executor
from expunge.lifecycle._material import Material, gather
from expunge.lifecycle._records import Intent, Judgement, newest, recorded, role_of
from expunge.lifecycle._recovery import destroy_due, only_writer, point_to_recorded, published, releases_of
from expunge.lifecycle._session import Session
from expunge.lifecycle.applied import (
    AppliedEdit,
    applied_edits,
    arranged,
    classes_of,
    digests,
    edit_of,
    stacked,
    task_for,
)
from expunge.lifecycle.watch import Point, look
from expunge.logs import telling
from expunge.release import ReleaseRecord
from expunge.vision import Wrapped
from expunge.workspace import Actor, Request, State, Workspace, moment, moved

ONNX_IMAGES = 4

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Released:
    """A release that is done.

    Attributes:
        request: The request, as it stands now.
        release: The published model's record.
        folder: The model directory, for plain transformers too.
        point: What was measured of the whole history afterwards.
    """

    request: Request
    release: ReleaseRecord
    folder: Path
    point: Point


def release(
    workspace: Workspace,
    request: str,
    actor: Actor,
    *,
    device: str = "cpu",
    onnx: bool = False,
    report: executor.Report = lambda stage: None,
    reached: Callable[[str], None] = lambda step: None,
) -> Released:
    """Releases an approved request, or finishes its release.

    Args:
        workspace: The workspace.
        request: ID of the request.
        actor: Who releases it.
        device: Where to measure.
        onnx: Whether to write a checked ONNX file as well.
        report: Told about the progress.
        reached: Told of every step that is done.

    Raises:
        UnlawfulMoveError: The request cannot be released from where it stands.
        FourEyesError: Another person must release it.
        HeldError: The workspace is on hold.
        ReleaseError: The policy does not let the edit out.
        OnnxError: An ONNX file is asked for, and the model cannot be written as one.
        BusyWorkspaceError: Another process is releasing.
    """
    if onnx and not task_for(workspace).exports:
        raise OnnxError(f"No {task_for(workspace).noun} is exported to ONNX. Release it without --onnx.")
    reached, session = telling(_LOG, reached, request), Session(workspace)
    with only_writer(workspace):
        point_to_recorded(workspace)
        found = workspace.request(request)
        if found.state != State.RELEASED:
            with workspace.transaction() as transaction:
                transaction.require_open()
            moved(found, State.RELEASED, actor, four_eyes=workspace.settings.four_eyes)
            _publish_and_record(session, request, actor, device, onnx, report, reached)
        destroy_due(workspace)
        reached("destroyed")
        point = look(session, request, device=device)
        reached("watched")
        now = releases_of(workspace).current()
    assert now is not None
    return Released(workspace.request(request), now, releases_of(workspace).model_folder(now.number), point)


def _publish_and_record(
    session: Session,
    request: str,
    actor: Actor,
    device: str,
    onnx: bool,
    report: executor.Report,
    reached: Callable[[str], None],
) -> None:
    workspace = session.workspace
    mine = edit_of(workspace, request)
    others = tuple(one for one in applied_edits(workspace) if one.key != mine.key)
    edits = arranged((*applied_edits(workspace), mine))
    model = session.copy()
    stack = stacked(model, others)
    before = model.digest() if others else session.sha256
    while stack.edits:
        stack.undo()
    for one in edits:
        stack.push(one.edit)
    after = model.digest()
    judged = _evidence(session, request, actor, mine, others, after, device, report)
    reached("judged")
    issue = certificate.Issue(workspace, request, mine, judged, before, after, session.sha256)
    issue.rehearse()
    pixels = _some_pixels(session, mine, others, model) if onnx else None
    release = publish(session, request, actor, model, edits, after, onnx_pixels=pixels)
    reached("published")
    issue.commit(release, actor)
    reached("recorded")
    releases_of(workspace).rollback(to=release.number)
    reached("served")


def publish(
    session: Session,
    request: str,
    actor: Actor,
    model: Wrapped,
    edits: Sequence[AppliedEdit],
    sha256: str,
    *,
    onnx_pixels: Tensor | None = None,
) -> ReleaseRecord:
    """Writes a model as a release, the original before the first one, or finds it where it is published already.

    It is not served yet: only what the ledger names may be. Before anything is written, the time is recorded: the same
    call after a crash then takes up what is there.
    """
    releases, original = releases_of(session.workspace), session.sha256
    time = _intent(session.workspace, request, actor, sha256, digests(edits))
    if not releases.numbers():
        releases.publish(session.original, (), before=original, after=original, time=time, note="the original")
    there = published(releases, sha256)
    if there is not None and onnx_pixels is None:
        return there
    made = [one.edit for one in edits]
    told = {"before": original, "after": sha256, "time": time, "note": request}
    return releases.publish(model, made, **told, onnx_pixels=onnx_pixels, serve=False)


def _evidence(
    session: Session,
    request: str,
    actor: Actor,
    mine: AppliedEdit,
    others: Sequence[AppliedEdit],
    model: str,
    device: str,
    report: executor.Report,
) -> Judgement:
    """The judgement of exactly the model that would be released; measured anew if other edits stand now than then.

    Raises:
        ReleaseError: The policy says no.
    """
    workspace = session.workspace
    found = newest(workspace, request, Judgement)
    judged = found[1] if found and (found[1].attempt, found[1].model) == (mine.key, model) else None
    if judged is None:
        material = _material(session, mine, others)
        measured = executor.measure(
            session,
            others,
            mine.edit,
            mine.attempt.targets,
            material,
            seed=mine.attempt.seed,
            device=device,
            report=report,
        )
        with workspace.storing(measured.scorecard.to_json().encode()) as (transaction, card):
            transaction.record_artefact(request, "scorecard", card.sha256, card.bytes, actor)
        judged = executor.judgement(mine.key, digests(others), card.sha256, measured, moment(workspace.now()))
        with workspace.storing(judged.to_bytes()) as (transaction, stored):
            transaction.record_artefact(request, role_of(Judgement), stored.sha256, stored.bytes, actor)
    if not judged.erased:
        raise ReleaseError(
            f"The policy does not let request {request} out: {judged.outcome}. {'; '.join(judged.reasons)}. "
            f'Give it up (expunge reject {request} --why "…") and submit it again, or run it with other settings.'
        )
    return judged


def _intent(workspace: Workspace, request: str, actor: Actor, model: str, edits: tuple[str, ...]) -> str:
    for _, one in recorded(workspace, request, Intent):
        if (one.model, one.edits) == (model, edits):
            return one.time
    intent = Intent(model=model, edits=edits, time=moment(workspace.now()))
    with workspace.storing(intent.to_bytes()) as (transaction, stored):
        transaction.record_artefact(request, role_of(Intent), stored.sha256, stored.bytes, actor)
    return intent.time


def _material(session: Session, mine: AppliedEdit, others: Sequence[AppliedEdit]) -> Material:
    workspace, attempt = session.workspace, mine.attempt
    gone = (*attempt.targets, *classes_of(others))
    return gather(workspace, attempt.requests, gone, session.original.classes, attempt.data, attempt.seed)


def _some_pixels(session: Session, mine: AppliedEdit, others: Sequence[AppliedEdit], model: Wrapped) -> Tensor:
    test = _material(session, mine, others).splits.test
    return model.prepare(test.load(range(min(ONNX_IMAGES, len(test)))))
