"""`expunge run`: carries out accepted requests."""

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from expunge.cli._console import errors, output, progress_bar
from expunge.cli._log_options import log_by_itself
from expunge.cli._method import DepthOption, MethodOption, PresetOption, SetOption, settings_of
from expunge.cli._workspace_options import WorkspaceOption, open_workspace
from expunge.errors import RequestError

if TYPE_CHECKING:
    from expunge.lifecycle import Outcome, RunOptions
    from expunge.workspace import Workspace

OFFERED, LEFT_TO_A_PERSON = 0, 3
PAUSE_SECONDS = 5.0
NEXT = {"measured": "approve", "approved": "release"}


def run_(
    once: Annotated[bool, typer.Option("--once", help="Carry out what waits, then end. This is the default.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on waiting for requests until interrupted.")] = False,
    data: Annotated[
        str | None,
        typer.Option(help="Retained and test images, or scenes: a folder or zoo:NAME; by default what was given last."),
    ] = None,
    method: MethodOption = "auto",
    depth: DepthOption = None,
    preset: PresetOption = None,
    set_: SetOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Seeds the splits, the method and the measures.")] = 0,
    together: Annotated[
        bool, typer.Option("--together", help="Make one edit for all that waits; it can only be undone as a whole.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    workspace: WorkspaceOption = None,
) -> int:
    """Carry out accepted requests: make the edit, measure it, judge it by the policy.

    Example: expunge run --once --data images/

    What the policy lets through waits for `expunge release`. If it says no, deeper settings are tried, then a person
    decides. Killed anywhere, the same command goes on.

    With --watch each step is logged on stderr; `expunge --log-format json run --watch` logs it for machines.

    Exit code: 0; 3 if a request failed or was left to a person.
    """
    from expunge.lifecycle import RunOptions
    from expunge.vision import choose_device

    if once and watch:
        raise RequestError("Say --once or --watch, not both.")
    choose_device(device)
    if watch:
        log_by_itself()
    asked = RunOptions(data, method, preset, settings_of(set_, depth), device, seed, together)
    with open_workspace(workspace) as place:
        stuck = _round(place, asked, quiet=False)
        while watch:
            time.sleep(PAUSE_SECONDS)
            stuck |= _round(place, asked, quiet=True)
    return LEFT_TO_A_PERSON if stuck else OFFERED


def _round(place: "Workspace", asked: "RunOptions", *, quiet: bool) -> bool:
    """One look for work; whether something was left to a person."""
    from expunge.lifecycle import run_waiting

    with progress_bar() as show:
        outcomes = run_waiting(place, asked, report=show)
    if not outcomes and not quiet:
        held = (
            "The workspace is on hold." if place.on_hold() else "Nothing waits. `expunge approve ID` accepts a request."
        )
        errors.print(held, highlight=False)
    return any([_say(outcome) for outcome in outcomes])


def _say(outcome: "Outcome") -> bool:
    from expunge.evidence import said

    judged = outcome.judged
    for request in outcome.requests:
        verdict = f", verdict {said(judged.outcome)}" if judged and not outcome.why else ""
        output.print(f"{request.id}: {request.state}{verdict}", highlight=False, markup=False, soft_wrap=True)
        if judged and judged.erased and request.state in NEXT:
            errors.print(f"next: expunge {NEXT[request.state]} {request.id}", highlight=False)
    if outcome.why:
        errors.print(f"[bold red]failed:[/] {escape(outcome.why)}", soft_wrap=True)
        return True
    if judged is None or judged.erased:
        return False
    for reason in judged.reasons:
        if ": passed" not in reason:
            errors.print(escape(reason), highlight=False)
    if judged.advice:
        errors.print(escape(judged.advice), highlight=False, soft_wrap=True)
    return True
