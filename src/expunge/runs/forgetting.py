"""A model forgets in a few lines of Python: `forget`."""

import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expunge.adapters import Edit, EditStack
from expunge.data import Splits
from expunge.evidence import Metrics
from expunge.evidence.report import render_report
from expunge.memory import Memory
from expunge.methods import Method, make_method, uses_memory
from expunge.runs.loading import load, read
from expunge.runs.outputs import RunFolder
from expunge.runs.reporting import build_report
from expunge.runs.run import Run, Stage
from expunge.tasks import Budget, make_plan, task_of
from expunge.vision import Wrapped


@dataclass(frozen=True)
class ForgetRun:
    """A finished run.

    Attributes:
        stack: The model with its edits.
        metrics: The figures, as in `metrics.json`.
        data: The data the run was measured on.
        seen: What the model made of the test data: the original, then after each request.
    """

    stack: EditStack[Any]
    metrics: Metrics
    data: Splits[Any]
    seen: tuple[Any, ...]

    @property
    def model(self) -> Any:
        """The edited model."""
        return self.stack.model

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits, oldest first."""
        return self.stack.edits

    def undo(self, index: int = -1) -> Edit:
        """Takes one edit away, wherever in the order it stands: bit for bit the model that the others alone make.

        Raises:
            EditError: There is no such edit.
        """
        return self.stack.undo(index)

    def report_html(self, *, title: str = "", command: str = "") -> str:
        """The report as one self-contained HTML page."""
        report = build_report(
            self.metrics,
            self.data.test,
            self.model.blocks,
            self.edits,
            self.seen,
            title=title or f"Forgetting with {self.metrics.method}",
            command=command,
        )
        return render_report(report)


def forget(
    model: Wrapped | str | Path,
    data: Splits[Any] | str | Path,
    requests: Sequence[str] | Sequence[Sequence[str]],
    *,
    method: str | Method = "auto",
    shots: int | None = None,
    missing: Sequence[str] = (),
    replay: float = 1.0,
    partial: bool = False,
    seed: int = 0,
    memory: Memory | None = None,
    inplace: bool = False,
    report: Callable[[Stage], None] = lambda stage: None,
    folder: RunFolder | None = None,
    task: str | None = None,
    replay_fraction: float | None = None,
) -> ForgetRun:
    """Makes a model forget the classes of each request, in order, and measures every step on the test data.

    Args:
        model: A model, or what `load` takes.
        data: Splits, or what `read` takes. A class that stays may lack training examples where `memory` knows it and
            the method reads it, or where it is `missing`.
        requests: Class names of each request; names alone are one request.
        method: A method, or the name of one with its default settings; "auto" is the one that `expunge methods` marks.
        shots: Training examples a class that the method may see; None for all.
        missing: Retained classes of which the method may see no training example.
        replay: Part of the retained classes' training examples that the method may see.
        partial: Whether the data may lack some of the model's classes.
        seed: Seeds data splits and every random choice of the method.
        memory: Statistics that `expunge.memory.calibrate` took of this model. A method that reads them needs no example
            of classes that stay, nor of those to be forgotten. It is left as it is.
        inplace: Whether `model` itself is changed; else a copy is, and `model` stays as it is.
        report: Told about the progress.
        folder: Where finished requests are written at once; those already in it are not done again.
        task: What the model does, where it is named by its place and several tasks could take it.
        replay_fraction: The former name of `replay`.

    Raises:
        RequestError: The requests cannot be carried out as asked.
        DataError: The data does not fit.
        ModelError: The model does not fit.
        MemoryMismatchError: `memory` is of another model, or begins above the blocks that the method edits.
        MissingExtraError: A package that the task needs is not installed.
        ResumeError: `folder` holds a run on another model.
        OutputError: `folder` cannot be written.
    """
    if replay_fraction is not None:
        warnings.warn("`replay_fraction` is called `replay` now", DeprecationWarning, stacklevel=2)
        replay = replay_fraction
    edited: Any = (
        load(model, task=task) if isinstance(model, str | Path) else model if inplace else copy.deepcopy(model)
    )
    does = task_of(edited)
    data = data if isinstance(data, Splits) else read(data, like=edited, seed=seed)
    if isinstance(method, str):
        method = make_method(method, task=does.name)
    sha256 = None if memory is None else edited.digest()
    if memory is not None:
        memory.check_model(edited, sha256)
    wanted = [[str(name) for name in requests]] if all(isinstance(one, str) for one in requests) else requests
    remembered = memory.known if memory is not None and uses_memory(method) else ()
    named = {name for request in wanted for name in request}  # the plan tells which of these cannot do without
    spared = {*named, *missing, *(edited.classes[label] for label in remembered)}
    data = does.align(data, edited.classes, partial=partial, untrained=spared)
    plan, budget = make_plan(edited.classes, wanted, missing), Budget(shots, tuple(missing), replay, partial)
    sequence = Run(edited, data, plan, method, budget=budget, seed=seed, memory=memory, sha256=sha256, report=report)
    metrics, seen = sequence.carry_on(folder)
    return ForgetRun(sequence.stack, metrics, data, seen)
