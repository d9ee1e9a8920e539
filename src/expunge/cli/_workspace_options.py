"""Parts shared by the commands on a workspace: where it is, who acts, and how a request is shown."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from expunge.workspace import Actor, Request, Workspace

WorkspaceOption = Annotated[
    Path | None, typer.Option("--workspace", help="The workspace; by default found upward from the current folder.")
]
ActorOption = Annotated[
    str | None, typer.Option("--as", help="Who acts; by default $EXPUNGE_ACTOR, else who is logged in.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
RequestArgument = Annotated[str, typer.Argument(help="ID of a request, as `expunge list` shows it.")]


def open_workspace(path: Path | None) -> "Workspace":
    """Opens the workspace that is named, or the one around the current folder.

    Raises:
        WorkspaceError: There is none, or it cannot be used.
    """
    from expunge.workspace import Workspace, find_workspace

    return Workspace.open(find_workspace(Path.cwd()) if path is None else path)


def acting(name: str | None) -> "Actor":
    """The person who acts.

    Raises:
        WorkspaceError: Nobody is named, and nobody is logged in.
    """
    from expunge.facade import current_actor

    return current_actor(name)


def lasting(source: str) -> str:
    """A path that means the same from any folder; names of the hub and the zoo stay as they are."""
    return str(Path(source).resolve()) if Path(source).exists() else source


def as_json(workspace: "Workspace", request: "Request") -> dict[str, Any]:
    """A request as the listings print it."""
    return {
        "id": request.id,
        "state": str(request.state),
        "targets": list(request.targets),
        "received": request.received,
        "due": request.due.isoformat(),
        "overdue": request.is_overdue(workspace.today()),
        "images": request.images,
        "images_destroyed": request.destroyed,
        "legal_hold": request.legal_hold,
        "held_from": None if request.held_from is None else str(request.held_from),
        "approved_by": request.approved_by,
        "reason": request.reason,
    }


def print_json(value: Any) -> None:
    """Prints JSON as it is: no colours, no wrapping."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
