"""Rolls a released request back: the model becomes, bit for bit, what it would be had the request never been."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from expunge.errors import UnlawfulMoveError
from expunge.lifecycle._recovery import only_writer, point_to_recorded, record_published, releases_of
from expunge.lifecycle._session import Session
from expunge.lifecycle.applied import applied_edits, edit_of, stacked
from expunge.lifecycle.interference import Interference, interference
from expunge.lifecycle.releasing import publish
from expunge.lifecycle.watch import Point, look
from expunge.logs import telling
from expunge.release import ReleaseRecord
from expunge.workspace import Actor, State, Workspace, moved

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class RolledBack:
    """A request that was undone.

    Attributes:
        requests: What was undone: the request, and those that share its edit.
        release: The model that is served now.
        folder: Its directory.
        interference: Later edits that share blocks with the undone one.
        point: What was measured of the rest afterwards.
    """

    requests: tuple[str, ...]
    release: ReleaseRecord
    folder: Path
    interference: tuple[Interference, ...]
    point: Point


def rollback(
    workspace: Workspace,
    request: str,
    actor: Actor,
    why: str,
    *,
    shared: bool = False,
    device: str = "cpu",
    reached: Callable[[str], None] = lambda step: None,
) -> RolledBack:
    """Undoes a released request, wherever in the order of edits its edit stands.

    Args:
        workspace: The workspace.
        request: ID of the request.
        actor: Who does it.
        why: The reason, in words.
        shared: Whether other requests that share the edit may be undone with it.
        device: Where to measure what is left.
        reached: Told of every step that is done.

    Raises:
        UnlawfulMoveError: It is not released, the reason is missing, or others share its edit.
        HeldError: The workspace is on hold: the model that knows the classes again must not be served then.
        BusyWorkspaceError: Another process is releasing.
    """
    reached = telling(_LOG, reached, request)
    with only_writer(workspace):
        point_to_recorded(workspace)
        with workspace.transaction() as transaction:
            transaction.require_open()
        moved(workspace.request(request), State.ROLLED_BACK, actor, why, four_eyes=workspace.settings.four_eyes)
        mine, all_of_them = edit_of(workspace, request), applied_edits(workspace)
        gone = next(one.requests for one in all_of_them if one.key == mine.key)
        if len(gone) > 1 and not shared:
            others = ", ".join(one for one in gone if one != request)
            raise UnlawfulMoveError(
                f"Request {request} was carried out in one edit with {others}; undoing it undoes them, too. "
                "Say so with --shared"
            )
        rest = tuple(one for one in all_of_them if one.key != mine.key)
        session = Session(workspace)
        model = stacked(session.copy(), rest).model
        release = publish(session, request, actor, model, rest, model.digest() if rest else session.sha256)
        reached("published")
        with workspace.transaction() as transaction:
            for one in gone:
                transaction.move(one, State.ROLLED_BACK, actor, why)
                record_published(workspace, transaction, one, release, actor)
        reached("recorded")
        releases_of(workspace).rollback(to=release.number)
        reached("served")
        point = look(session, request, device=device)
        reached("watched")
    folder = releases_of(workspace).model_folder(release.number)
    return RolledBack(gone, release, folder, interference(mine, rest, [block.name for block in model.blocks]), point)
