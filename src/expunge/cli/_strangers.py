"""`expunge add-strangers SOURCE`."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from expunge.cli._console import errors, output
from expunge.cli._workspace_options import ActorOption, WorkspaceOption, acting, lasting, open_workspace

if TYPE_CHECKING:
    from expunge.workspace import KeptStrangers

ByPathOption = Annotated[
    bool, typer.Option("--by-path", help="Keep the strangers' path and a digest, so that any block may be edited.")
]


def add_strangers(
    source: Annotated[str, typer.Argument(help="A folder like the data, of classes the model never saw, or zoo:NAME.")],
    by_path: ByPathOption = False,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out images that cannot be decoded.")
    ] = False,
    workspace: WorkspaceOption = None,
    actor: ActorOption = None,
) -> None:
    """Keep strangers in a workspace: classes that its model never saw, beside which forgotten ones are held.

    Example: expunge add-strangers people-we-never-enrolled/

    They take the place of those that are there. No photo is kept, but what the model's lower blocks make of each, and
    thumbnails of 8 × 8 pixels; of a detector's strangers the path and a digest. The ledger holds a digest.

    Requests that lacked evidence are accepted anew: the next `expunge run --data DIR` takes them up.
    """
    from expunge.lifecycle import keep_strangers, prepare_strangers, pristine, reopen

    who = acting(actor)
    with open_workspace(workspace) as place:
        with errors.status("loading the model, looking at the strangers"):
            model, lies = pristine(place), lasting(source)
            prepared = prepare_strangers(model, lies, by_path=by_path, skip_unreadable=skip_unreadable)
        keep_strangers(place, prepared, who)
        again = reopen(place, who)
    say(prepared.record)
    for request in again:
        output.print(f"{request}: accepted", highlight=False, markup=False)


def say(kept: "KeptStrangers") -> None:
    """Prints how many strangers there are, and what of them is kept."""
    what = f"read from {kept.source}" if kept.source else f"kept as what enters block {kept.entry}"
    text = f"strangers: {len(kept.classes)} classes, {kept.images[0]} + {kept.images[1]} images or objects, {what}"
    output.print(escape(text), soft_wrap=True, highlight=False)
