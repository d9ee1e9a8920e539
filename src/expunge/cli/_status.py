"""`expunge list | show | status`."""

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from expunge.cli._console import errors, output
from expunge.cli._workspace_options import (
    JsonOption,
    RequestArgument,
    WorkspaceOption,
    as_json,
    open_workspace,
    print_json,
)

if TYPE_CHECKING:
    from expunge.workspace import Request, Workspace

DONE, OVERDUE, ALTERED = 0, 3, 4


def list_(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """List all requests, the first one due first.

    Example: expunge list --json
    """
    with open_workspace(workspace) as place:
        requests = place.requests()
        if json:
            print_json([as_json(place, request) for request in requests])
        else:
            output.print(_table(place, requests))


def show(request: RequestArgument, workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Show one request: where it stands, what is possible next, every move and every artefact.

    Example: expunge show r-7k3m9q2x4c
    """
    from expunge.workspace import possible

    with open_workspace(workspace) as place:
        found = place.request(request)
        moves, artefacts = place.moves(request), place.artefact_records(request)
        ways = [{"state": str(move.after), "by": [str(role) for role in move.by]} for move in possible(found)]
        values = as_json(place, found) | {
            "possible": ways,
            "moves": [asdict(move) for move in moves],
            "artefacts": [asdict(artefact) for artefact in artefacts],
        }
        if json:
            print_json(values)
            return
        output.print(_table(place, (found,)))
    for move in moves:
        late = " (the clock had gone back)" if move.clock_back else ""
        why = f": {move.reason}" if move.reason else f" ({move.code})" if move.code else ""
        _line(f"{move.time[:19]}Z  {move.before or 'new'} → {move.after} by {move.actor}{why}{late}")
    for artefact in artefacts:
        _line(f"entry {artefact.seq}  {artefact.role} sha256 {artefact.sha256}")
    if found.destroyed:
        _line(f"{found.images} images destroyed {found.destroyed[:19]}Z, sha256 {found.images_sha256}")
    _line(f"possible next: {', '.join(way['state'] for way in ways) or 'nothing more'}")


def status(
    check: Annotated[
        bool, typer.Option("--check", help="Exit with 3 if a time limit has passed, 4 if something was altered.")
    ] = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> int:
    """Show how many requests stand where, and the ones that something is still owed to.

    Example: expunge status --check

    Exit code: 0; with --check 3 if a request is overdue, 4 if tables, workspace.json or releases are not what the
    ledger says. What could not be compared is said, too.
    """
    from expunge.workspace import SETTLED, kept_strangers

    with open_workspace(workspace) as place:
        requests, overdue = place.requests(), place.overdue()
        audit = place.audit() if check else None
        altered = audit.altered if audit else ()
        for sentence in altered:
            errors.print(f"[bold red]altered:[/] {escape(sentence)}", soft_wrap=True)
        for sentence in audit.unchecked if audit else ():
            errors.print(f"[yellow]not checked:[/] {escape(sentence)}", soft_wrap=True)
        owed = tuple(request for request in requests if request.state not in SETTLED)
        if json:
            print_json([as_json(place, request) for request in owed])
        else:
            counts = Counter(str(request.state) for request in requests)
            _line(", ".join(f"{count} {state}" for state, count in counts.items()) or "no requests yet")
            if place.on_hold():
                _line("The workspace is on hold: nothing is run, released, rolled back or destroyed.")
            if owed:
                output.print(_table(place, owed))
            if (kept := kept_strangers(place)) is not None:
                _line(f"strangers: {len(kept[1].classes)} classes, {kept[1].images[0]} + {kept[1].images[1]} images")
            _line(f"overdue: {', '.join(request.id for request in overdue) or 'none'}")
    if altered:
        return ALTERED
    return OVERDUE if check and overdue else DONE


def _table(place: "Workspace", requests: "tuple[Request, ...]") -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("id", "state", "due", "images", "targets"):
        table.add_column(heading, no_wrap=heading != "targets", overflow="fold")
    for request in requests:
        state = f"{request.state} ({request.held_from})" if request.held_from else str(request.state)
        due = f"[bold red]{request.due} overdue[/]" if request.is_overdue(place.today()) else str(request.due)
        images = "destroyed" if request.destroyed else f"{request.images}{', kept' if request.legal_hold else ''}"
        table.add_row(request.id, state, due, images, escape(", ".join(request.targets)))
    return table


def _line(text: str) -> None:
    output.print(text, highlight=False, markup=False, soft_wrap=True)
