"""`expunge release ID` and `expunge rollback ID`."""

from typing import Annotated

import typer
from rich.markup import escape

from expunge.cli._console import errors, output, progress_bar
from expunge.cli._workspace_options import ActorOption, RequestArgument, WorkspaceOption, acting, open_workspace

DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]


def release(
    request: RequestArgument,
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Write model/onnx/model.onnx too, checked in ONNX Runtime.")
    ] = False,
    device: DeviceOption = "auto",
    workspace: WorkspaceOption = None,
    actor: ActorOption = None,
) -> None:
    """Release an approved edit: publish the merged model, certify it, destroy the request's images.

    Example: expunge release r-7k3m9q2x4c

    The model lies in releases/NNNN/model/ of the workspace. Interrupted, the same command finishes it.
    """
    from expunge.lifecycle import policy, warnings
    from expunge.lifecycle import release as release_edit

    with open_workspace(workspace) as place:
        with progress_bar() as show:
            done = release_edit(place, request, acting(actor), device=device, onnx=onnx, report=show)
        rules = policy(place)
        kept = "kept (legal hold)" if done.request.destroyed is None else "destroyed"
        images = f"{done.request.images} images {kept}" if done.request.images else "it brought no images"
    _line(f"{request}: {done.request.state}, {images}")
    _line(f"model: {done.folder}")
    _line(f"certificate: expunge certificate {request} --out certificate.json")
    for text in warnings([done.point], rules):
        errors.print(f"[yellow]warning:[/] {escape(text)}", highlight=False)


def rollback(
    request: RequestArgument,
    why: Annotated[str, typer.Option("--why", help="The reason, in words; they never leave the workspace.")],
    shared: Annotated[bool, typer.Option("--shared", help="Undo the requests that share its edit, too.")] = False,
    device: DeviceOption = "auto",
    workspace: WorkspaceOption = None,
    actor: ActorOption = None,
) -> None:
    """Undo a released request. The weights become, bit for bit, those of a model without it.

    Example: expunge rollback r-7k3m9q2x4c --why "withdrawn by the applicant"

    While the workspace is on hold nothing is rolled back.
    """
    from expunge.lifecycle import rollback as undo

    with open_workspace(workspace) as place, errors.status("rolling back"):
        done = undo(place, request, acting(actor), why, shared=shared, device=device)
    for one in done.requests:
        _line(f"{one}: rolled_back")
    _line(f"model: {done.folder}, sha256 {done.release.weights_after}")
    for found in done.interference:
        _line(f"interference: {found.request} was made on top of it and changes {', '.join(found.blocks)} as well")
    again = ", ".join(f"{one.requests[0]} {one.accuracy:.1f} %" for one in done.point.earlier) or "nothing"
    _line(f"measured again: {done.point.rate}_r {done.point.acc_r:.1f} %; what stays forgotten: {again}")


def _line(text: str) -> None:
    output.print(text, highlight=False, markup=False, soft_wrap=True)
