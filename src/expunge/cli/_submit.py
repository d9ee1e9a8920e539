"""`expunge submit --target A,B --images DIR`."""

from pathlib import Path
from typing import Annotated

import typer

from expunge.cli._console import errors
from expunge.cli._names import split_names
from expunge.cli._workspace_options import (
    ActorOption,
    JsonOption,
    WorkspaceOption,
    acting,
    as_json,
    open_workspace,
    print_json,
)


def submit(
    target: Annotated[str, typer.Option(help="Classes to forget, A,B.")],
    images: Annotated[
        Path | None,
        typer.Option(help="Folder with a folder for each target, or the only target's images; none for a detector."),
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why, in words; they never leave the workspace.")] = None,
    subject: Annotated[
        str | None, typer.Option(help="Reference to the person concerned; only a keyed digest of it is kept.")
    ] = None,
    due: Annotated[str | None, typer.Option(help="Last day, YYYY-MM-DD; by default one month from today.")] = None,
    token: Annotated[
        str | None, typer.Option(help="Any text of yours: the same one again gives the request that is there.")
    ] = None,
    workspace: WorkspaceOption = None,
    actor: ActorOption = None,
    json: JsonOption = False,
) -> None:
    """Take in a request to forget classes, with the images of what is to be forgotten. Prints its ID.

    Example: expunge submit --target s01 --images photos-of-s01/ --subject customer-4711

    The images are copied into the workspace's quarantine and destroyed once the request is settled. A detector takes
    none, as pictures for it need boxes: it learns from the scenes of `expunge run --data` that hold the classes.
    """
    from expunge.workspace import parse_day

    day = None if due is None else parse_day(due)
    with open_workspace(workspace) as place:
        request = place.submit(
            split_names(target, "--target"), images, acting(actor), reason=reason, subject=subject, due=day, token=token
        )
        if json:
            print_json(as_json(place, request))
        else:
            typer.echo(request.id)
            brought = f"{request.images} images, " if request.images else ""
            errors.print(f"{request.state}, {brought}due {request.due}", highlight=False)
