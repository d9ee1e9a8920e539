"""`expunge init DIR --model MODEL`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from expunge.cli._console import errors, output
from expunge.cli._names import TaskOption
from expunge.cli._strangers import say
from expunge.cli._workspace_options import ActorOption, acting, lasting
from expunge.errors import ClassMemoryError


def init(
    path: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    model: Annotated[str, typer.Option(help="The original model: a directory, a hub id or zoo:NAME.")],
    memory: Annotated[
        str | None, typer.Option(help="Statistics of the model's classes, as `expunge calibrate` wrote them.")
    ] = None,
    strangers: Annotated[
        str | None,
        typer.Option(help="Classes that the model never saw: a folder like the data, or zoo:NAME; see add-strangers."),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(help="A policy file, or not-to-be-found-again; by default the one that comes with us."),
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="Your own Ed25519 signing key as PEM; by default a new one is made.")
    ] = None,
    task: TaskOption = None,
    actor: ActorOption = None,
) -> None:
    """Make a workspace: the folder in which requests about MODEL are kept, decided, carried out and recorded.

    Example: expunge init erasures/ --model zoo:faces

    With --strangers, forgotten classes are held beside classes that the model never saw: the default policy needs them,
    20 for a single class. Of a classifier's strangers no photo is kept; `expunge add-strangers` has more on it.
    Requests, images, edits and the signed ledger lie in this one folder. Back it up, and keep keys/ to yourself.
    With --memory, the statistics of a class go when its request is released.
    """
    from expunge.evidence import load_policy, named_for
    from expunge.lifecycle import keep_strangers, original_of, prepare_strangers, require_releasable
    from expunge.memory import load_memory
    from expunge.runs import load, policy_keys
    from expunge.tasks import task_of
    from expunge.workspace import Workspace

    who = acting(actor)
    with errors.status("loading the model"):
        loaded = load(model, task=task, device="cpu")
    require_releasable(loaded)
    does = task_of(loaded)
    if policy is not None:
        policy = named_for(policy, loaded.task)
        load_policy(policy, known=policy_keys(does.name), task=does.name)
    if memory is not None and not does.memories:
        raise ClassMemoryError(f"no statistics are kept of an {does.noun}, and {model} is one: omit --memory")
    if memory is not None:
        load_memory(Path(memory), loaded)
    beside = None
    if strangers is not None:
        with errors.status("looking at the strangers"):
            beside = prepare_strangers(loaded, lasting(strangers))
    original = original_of(loaded, lasting(model))
    stored = None if memory is None else lasting(memory)
    with Workspace.create(path, original, memory=stored, policy=policy, key=key, actor=who) as workspace:
        if beside is not None:
            keep_strangers(workspace, beside, who)
        verifier = (workspace.path / "keys" / "ledger.pub").read_text().strip()
    output.print(f"workspace: {escape(str(path))}", soft_wrap=True, highlight=False)
    output.print(f"public key, for whoever verifies: {escape(verifier)}", soft_wrap=True, highlight=False)
    if beside is not None:
        say(beside.record)
