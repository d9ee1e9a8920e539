"""`expunge init DIR --model MODEL`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from expunge.cli.console import errors, output
from expunge.cli.places import ActorOption, acting


def init(
    path: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    model: Annotated[str, typer.Option(help="The original model: a directory, a hub id or zoo:NAME.")],
    memory: Annotated[
        str | None, typer.Option(help="Statistics of the model's classes, as `expunge calibrate` wrote them.")
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="A policy file; by default the one that comes with us.")] = None,
    key: Annotated[
        Path | None, typer.Option(help="Your own Ed25519 signing key as PEM; by default a new one is made.")
    ] = None,
    actor: ActorOption = None,
) -> None:
    """Make a workspace: the folder in which requests about MODEL are kept, decided, carried out and recorded.

    Example: expunge init erasures/ --model zoo:faces

    Requests, images, edits and the signed ledger lie in this one folder. Back it up, and keep keys/ to yourself.
    With --memory, the statistics of a class go when its request is released.
    """
    from expunge.evidence.policy import load_policy
    from expunge.memory import load_memory
    from expunge.requests import load_model
    from expunge.requests.measuring import known_keys
    from expunge.workspace import Original, Workspace

    who = acting(actor)
    if policy is not None:
        load_policy(policy, known=known_keys())
    with errors.status("loading the model"):
        loaded = load_model(model, device="cpu")
    if memory is not None:
        load_memory(Path(memory), loaded)
    original = Original(source=_lasting(model), sha256=loaded.digest(), classes=loaded.classes)
    stored = None if memory is None else _lasting(memory)
    with Workspace.create(path, original, memory=stored, policy=policy, key=key, actor=who) as workspace:
        verifier = (workspace.path / "keys" / "ledger.pub").read_text().strip()
    output.print(f"workspace: {escape(str(path))}", soft_wrap=True, highlight=False)
    output.print(f"public key, for whoever verifies: {escape(verifier)}", soft_wrap=True, highlight=False)


def _lasting(source: str) -> str:
    """A path that means the same from any folder; names of the hub and the zoo stay as they are."""
    return str(Path(source).resolve()) if Path(source).exists() else source
