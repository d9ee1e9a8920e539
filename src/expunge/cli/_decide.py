"""`expunge approve | reject | hold | unhold`."""

from contextlib import suppress
from typing import Annotated

import typer

from expunge.cli._console import output
from expunge.cli._workspace_options import ActorOption, RequestArgument, WorkspaceOption, acting, open_workspace
from expunge.errors import HeldError, UnlawfulMoveError

WhyOption = Annotated[str | None, typer.Option("--why", help="The reason, in words; they never leave the workspace.")]
OptionalRequest = Annotated[str | None, typer.Argument(help="ID of a request; without one, the whole workspace.")]
LegalOption = Annotated[
    bool, typer.Option("--legal", help="Only about the images: keep them, whatever becomes of the request.")
]


def approve(
    request: RequestArgument, why: WhyOption = None, workspace: WorkspaceOption = None, actor: ActorOption = None
) -> None:
    """Accept a request that has come in or has failed, or approve what was measured for release.

    Example: expunge approve r-7k3m9q2x4c
    """
    from expunge.workspace import State

    with open_workspace(workspace) as place:
        before = place.request(request).state
        if before == State.ON_HOLD:
            raise UnlawfulMoveError(f"Request {request} is on hold. Let it go on first: expunge unhold {request}")
        after = State.ACCEPTED if before in (State.RECEIVED, State.FAILED) else State.APPROVED
        _say(request, place.move(request, after, acting(actor), why).state)


def reject(
    request: RequestArgument,
    why: Annotated[str, typer.Option("--why", help="The reason, in words; they never leave the workspace.")],
    workspace: WorkspaceOption = None,
    actor: ActorOption = None,
) -> None:
    """Refuse a request. Its images are destroyed, unless a hold stands.

    Example: expunge reject r-7k3m9q2x4c --why "the applicant could not be identified"
    """
    from expunge.workspace import State

    with open_workspace(workspace) as place:
        who = acting(actor)
        _say(request, place.move(request, State.REFUSED, who, why).state)
        with suppress(HeldError):
            place.destroy_images(request, who)


def hold(
    request: OptionalRequest = None,
    why: WhyOption = None,
    legal: LegalOption = False,
    workspace: WorkspaceOption = None,
    actor: ActorOption = None,
) -> None:
    """Put a request, or the whole workspace, on hold. Time limits run on.

    Example: expunge hold r-7k3m9q2x4c --why "waiting for proof of identity"

    While the workspace is on hold nothing is run, released, rolled back or destroyed.
    """
    from expunge.workspace import State

    with open_workspace(workspace) as place, place.transaction() as transaction:
        who = acting(actor)
        if request is None:
            transaction.hold_all(who, why)
        elif legal:
            transaction.hold_images(request, who, why)
        else:
            transaction.move(request, State.ON_HOLD, who, why)
    _say(request, "images are kept" if legal and request else "on hold")


def unhold(
    request: OptionalRequest = None,
    why: WhyOption = None,
    legal: LegalOption = False,
    workspace: WorkspaceOption = None,
    actor: ActorOption = None,
) -> None:
    """Let a request, or the whole workspace, go on from where it was held.

    Example: expunge unhold r-7k3m9q2x4c
    """
    with open_workspace(workspace) as place, place.transaction() as transaction:
        who, after = acting(actor), "open"
        if request is None:
            transaction.hold_all(who, why, lift=True)
        elif legal:
            transaction.hold_images(request, who, why, lift=True)
        else:
            found = transaction.request(request)
            if found.held_from is None:
                raise UnlawfulMoveError(f"Request {request} is {found.state}, not on hold.")
            after = transaction.move(request, found.held_from, who, why).state
    _say(request, "images need not be kept" if legal and request else after)


def _say(request: str | None, what: str) -> None:
    output.print(f"{request or 'workspace'}: {what}", highlight=False, markup=False, soft_wrap=True)
