"""Classifiers forget in a few lines of Python: `forget`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from expunge.adapters import Edit, EditStack
from expunge.data import Splits, align
from expunge.evidence import Metrics
from expunge.evidence.report import render_report
from expunge.memory import Memory
from expunge.methods import Method, make_method
from expunge.methods.protocol import uses_memory
from expunge.runs.loading import load_data, load_model
from expunge.runs.outputs import RunFolder
from expunge.runs.reporting import build_report
from expunge.runs.run import Run, Stage
from expunge.tasks.plan import make_plan
from expunge.vision import VisionModel


@dataclass(frozen=True)
class ForgetRun:
    """A finished run.

    Attributes:
        stack: The model with its edits; `stack.undo(i)` takes one away, bit for bit.
        metrics: The figures, as in `metrics.json`.
        data: The data the run was measured on.
        logits: (n, classes) of the test images: under the original model, then after each request.
    """

    stack: EditStack
    metrics: Metrics
    data: Splits
    logits: tuple[Tensor, ...]

    @property
    def model(self) -> VisionModel:
        """The edited model."""
        return self.stack.model

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits, oldest first."""
        return self.stack.edits

    def report_html(self, *, title: str = "", command: str = "") -> str:
        """The report as one self-contained HTML page."""
        report = build_report(
            self.metrics,
            self.data.test,
            self.model.blocks,
            self.edits,
            self.logits,
            title=title or f"Forgetting with {self.metrics.method}",
            command=command,
        )
        return render_report(report)


def forget(
    model: VisionModel | str | Path,
    data: Splits | str | Path,
    requests: Sequence[Sequence[str]],
    *,
    method: str | Method = "auto",
    shots: int | None = None,
    missing: Sequence[str] = (),
    replay_fraction: float = 1.0,
    seed: int = 0,
    partial: bool = False,
    memory: Memory | None = None,
    report: Callable[[Stage], None] = lambda stage: None,
    folder: RunFolder | None = None,
) -> ForgetRun:
    """Makes `model` forget the classes of each request, in order, and measures every step on the test split.

    Args:
        model: A model, or what `load_model` takes. It is changed in place.
        data: Splits, or what `load_data` takes. A class that stays may lack training images where `memory` knows it
            and the method reads it, or where it is `missing`.
        requests: Class names of each request.
        method: A method, or the name of one with its default settings; "auto" is the one that `expunge methods` marks.
        shots: Training images a class that the method may see; None for all.
        missing: Retained classes whose training images the method may not see.
        replay_fraction: Part of the retained classes' training images that the method may see.
        seed: Seeds data splits and every random choice of the method.
        partial: Whether the data may lack some of the model's classes.
        memory: Statistics that `expunge.memory.calibrate` took of this model. A method that reads them needs no image
            of classes that stay, nor of those to be forgotten. It is left as it is.
        report: Told about the progress.
        folder: Where finished requests are written at once; those already in it are not done again.

    Raises:
        RequestError: The requests cannot be carried out as asked.
        DataError: The data does not fit.
        ModelError: The model does not fit.
        MemoryMismatchError: `memory` is of another model, or begins above the blocks that the method edits.
        ResumeError: `folder` holds a run on another model.
        OutputError: `folder` cannot be written.
    """
    model = model if isinstance(model, VisionModel) else load_model(model)
    data = data if isinstance(data, Splits) else load_data(data, seed=seed)
    method = make_method(method) if isinstance(method, str) else method
    if memory is not None:
        memory.check_model(model)
    remembered = memory.known if memory is not None and uses_memory(method) else ()
    named = {name for request in requests for name in request}  # the plan tells which of these cannot do without
    spared = {*named, *missing, *(model.classes[label] for label in remembered)}
    data = align(data, model.classes, partial=partial, untrained=spared)
    plan = make_plan(model.classes, requests, missing)
    sequence = Run(
        model, data, plan, method, shots=shots, replay_fraction=replay_fraction, seed=seed, memory=memory, report=report
    )
    metrics, answers = sequence.carry_on(folder)
    return ForgetRun(sequence.stack, metrics, data, tuple(seen.logits for seen in answers))
