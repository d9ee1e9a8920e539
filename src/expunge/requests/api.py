"""The package in a few lines of Python: `load_model`, `load_data`, `forget`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from expunge.adapters import Edit, EditStack
from expunge.data import Splits, align, load_folder, verify
from expunge.errors import ResumeError, UnreadableImageError
from expunge.evidence import Metrics
from expunge.evidence.report import render_report
from expunge.memory import Memory
from expunge.methods import Method, make_method
from expunge.methods.plan import make_plan
from expunge.requests.outputs import RunFolder
from expunge.requests.reporting import build_report
from expunge.requests.sequence import SequenceRun, Stage
from expunge.vision import VisionModel, choose_device
from expunge.vision import load_model as load_any_model
from expunge.zoo import PREFIX, entry


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


def load_model(source: str | Path, *, device: str = "auto") -> VisionModel:
    """Loads a directory, a hub id or `zoo:NAME`.

    Raises:
        ModelError: The model cannot be found, is unsafe to read, damaged or of no known structure.
    """
    text = str(source)
    model = entry(text).model() if text.startswith(PREFIX) else load_any_model(source)
    return model.to(choose_device(device))


def load_data(source: str | Path, *, seed: int = 0, validation: float = 0.2, skip_unreadable: bool = False) -> Splits:
    """Loads an image folder (`train/<class>/*`, `test/<class>/*`) or the data of `zoo:NAME`.

    Every image is decoded once, so that a damaged one is reported before any work starts.

    Raises:
        DataError: The folder is laid out wrongly, or holds images that cannot be read.
    """
    text = str(source)
    if text.startswith(PREFIX):
        return entry(text).data(seed)
    splits = load_folder(Path(source), validation=validation, seed=seed, skip_unreadable=skip_unreadable)
    if not skip_unreadable:
        bad = [name for images in (splits.train, splits.validation, splits.test) for name in verify(images)]
        if bad:
            raise UnreadableImageError(
                f"{len(bad)} images cannot be read: {', '.join(bad[:10])}{', …' if len(bad) > 10 else ''}. "
                "Replace them, or leave them out with --skip-unreadable (skip_unreadable=True)"
            )
    return splits


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
        data: Splits, or what `load_data` takes.
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
    data = align(data, model.classes, partial=partial)
    plan = make_plan(model.classes, requests, missing)
    if memory is not None:
        memory.check_model(model)
    sequence = SequenceRun(
        model, data, plan, method, shots=shots, replay_fraction=replay_fraction, seed=seed, memory=memory, report=report
    )
    metrics = sequence.prepare()
    logits = [sequence.baseline_logits]
    done = folder.metrics() if folder else None
    if folder and done:
        if done.model != metrics.model:
            raise ResumeError(
                f"{folder.path} holds a run on a model with sha256 {done.model.sha256}; this one has "
                f"{metrics.model.sha256}. Resume with the model it was begun on, or give --out a new folder"
            )
        metrics = done
        logits += sequence.replay_edits(folder.edits(len(done.requests)))
    for result in sequence.run():
        metrics = metrics.with_request(result.metrics)
        logits.append(result.logits)
        if folder:
            folder.add(result.edit, metrics)
    return ForgetRun(sequence.stack, metrics, data, tuple(logits))
