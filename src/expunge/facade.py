"""`expunge.Workspace`: a workspace that also carries its requests out. Opening one needs no torch; running does."""

import getpass
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from expunge import workspace
from expunge.errors import WorkspaceError
from expunge.workspace import Actor, Clock, utc_now

if TYPE_CHECKING:
    from expunge.lifecycle import Outcome, Released, RolledBack
    from expunge.runs import Stage

ACTOR_VARIABLE = "EXPUNGE_ACTOR"


def current_actor(name: str | None = None) -> Actor:
    """The person who acts: by default whom EXPUNGE_ACTOR names, else who is logged in.

    Raises:
        WorkspaceError: Nobody is named, and nobody is logged in.
    """
    try:
        return Actor(name or os.environ.get(ACTOR_VARIABLE) or getpass.getuser())
    except (KeyError, OSError) as error:
        raise WorkspaceError(
            f"Nobody is logged in by name: say who acts with --as NAME, in Python actor=…, or {ACTOR_VARIABLE}"
        ) from error


def _silent(stage: "Stage") -> None:
    """Tells nobody."""


class Workspace(workspace.Workspace):
    """An open workspace in Python: what the commands `run`, `release` and `rollback` do, as methods.

    Example:
        >>> with expunge.Workspace.open("service") as ws:
        ...     ws.run("images/")
        ...     ws.release("r-7k3m9q2x4c")
    """

    @classmethod
    def open(cls, path: str | Path, *, clock: Clock = utc_now) -> Self:
        """Opens a workspace; see `expunge.workspace.Workspace.open`."""
        return super().open(Path(path), clock=clock)

    def run(
        self,
        data: str | Path | None = None,
        *,
        method: str = "auto",
        preset: str | None = None,
        settings: Mapping[str, object] | None = None,
        device: str = "auto",
        seed: int = 0,
        together: bool = False,
        report: "Callable[[Stage], None]" = _silent,
    ) -> "list[Outcome]":
        """Carries out all accepted requests: makes each edit, measures it, and judges it by the policy.

        Args:
            data: Folder or `zoo:NAME` with retained images and test images; None takes what was given last.
            method: Name of the method.
            preset: A named set of its settings.
            settings: Single settings on top.
            device: auto, cpu, cuda, cuda:1 or mps.
            seed: Seeds splits, method and measures.
            together: Whether all that waits is carried out as one edit, which can only be undone as a whole.
            report: Told about the progress.

        Returns:
            What became of each plan; a request that failed says why in it.

        Raises:
            MethodError: The method or its settings are unusable.
        """
        from expunge.lifecycle import RunOptions, run_waiting

        source = None if data is None else str(data)
        return run_waiting(
            self, RunOptions(source, method, preset, settings or {}, device, seed, together), report=report
        )

    def release(
        self,
        request: str,
        *,
        actor: Actor | str | None = None,
        device: str = "auto",
        onnx: bool = False,
        report: "Callable[[Stage], None]" = _silent,
    ) -> "Released":
        """Publishes the model with an approved edit, certifies it, and destroys the request's images.

        Args:
            request: ID of the request.
            actor: Who releases it; by default see `current_actor`.
            device: Where to measure.
            onnx: Whether to write a checked ONNX file as well.
            report: Told about the progress.

        Raises:
            UnlawfulMoveError: The request cannot be released from where it stands.
            FourEyesError: Another person must release it.
            HeldError: The workspace is on hold.
            ReleaseError: The policy does not let the edit out.
        """
        from expunge.lifecycle import release

        return release(self, request, _acting(actor), device=device, onnx=onnx, report=report)

    def rollback(
        self,
        request: str,
        why: str,
        *,
        actor: Actor | str | None = None,
        shared: bool = False,
        device: str = "auto",
    ) -> "RolledBack":
        """Undoes a released request: bit for bit the model that it would be had the request never been.

        Args:
            request: ID of the request.
            why: The reason, in words.
            actor: Who does it; as in `release`.
            shared: Whether other requests that share the edit may be undone with it.
            device: Where to measure what is left.

        Raises:
            UnlawfulMoveError: It is not released, the reason is missing, or others share its edit.
            HeldError: The workspace is on hold.
        """
        from expunge.lifecycle import rollback

        return rollback(self, request, _acting(actor), why, shared=shared, device=device)


def _acting(actor: Actor | str | None) -> Actor:
    return actor if isinstance(actor, Actor) else current_actor(actor)
