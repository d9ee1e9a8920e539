"""Detectors forget in a few lines of Python: `forget_scenes`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from expunge.adapters import Edit, EditStack
from expunge.data import Scenes, Splits
from expunge.errors import HeadError
from expunge.evidence import Metrics
from expunge.evidence.report import render_report
from expunge.methods import Method, make_method
from expunge.runs.detection.reporting import build_scene_report
from expunge.runs.detection.sequence import SceneSequence
from expunge.runs.loading import load_any_model, load_scenes
from expunge.runs.outputs import RunFolder
from expunge.runs.run import Stage
from expunge.tasks.detection.scenes import align_scenes
from expunge.tasks.plan import make_plan
from expunge.vision.detection import DetectionModel
from expunge.vision.scene_states import SceneView


@dataclass(frozen=True)
class SceneRun:
    """A finished run.

    Attributes:
        stack: The detector with its edits; `stack.undo(i)` takes one away, bit for bit.
        metrics: The figures, as in `metrics.json`.
        data: The scenes the run was measured on.
        views: Answers to the test scenes: of the original detector, then after each request.
    """

    stack: EditStack[DetectionModel]
    metrics: Metrics
    data: Splits[Scenes]
    views: tuple[SceneView, ...]

    @property
    def model(self) -> DetectionModel:
        """The edited detector."""
        return self.stack.model

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits, oldest first."""
        return self.stack.edits

    def report_html(self, *, title: str = "", command: str = "") -> str:
        """The report as one self-contained HTML page."""
        report = build_scene_report(
            self.metrics,
            self.data.test,
            self.model.blocks,
            self.edits,
            self.views,
            title=title or f"Forgetting with {self.metrics.method}",
            command=command,
        )
        return render_report(report)


def forget_scenes(
    model: DetectionModel | str | Path,
    data: Splits[Scenes] | str | Path,
    requests: Sequence[Sequence[str]],
    *,
    method: str | Method = "auto",
    shots: int | None = None,
    missing: Sequence[str] = (),
    replay_fraction: float = 1.0,
    seed: int = 0,
    report: Callable[[Stage], None] = lambda stage: None,
    folder: RunFolder | None = None,
) -> SceneRun:
    """Makes a detector forget the classes of each request, in order, and measures every step on the test scenes.

    Args:
        model: A detector, or what `load_any_model` takes. It is changed in place.
        data: Scenes, or what `load_scenes` takes.
        requests: Class names of each request.
        method: A method, or the name of one with its default settings; "auto" is the one that `expunge methods` marks.
        shots: Training scenes a class that the method may see; None for all.
        missing: Retained classes; the method may not see any training scene that holds one.
        replay_fraction: Part of the training scenes of what stays that the method may see.
        seed: Seeds composed scenes and every random choice of the method.
        report: Told about the progress.
        folder: Where finished requests are written at once; those already in it are not done again.

    Raises:
        RequestError: The requests cannot be carried out as asked.
        DataError: The scenes do not fit.
        ModelError: The detector does not fit.
        MissingExtraError: A package for detectors is not installed.
        ResumeError: `folder` holds a run on another model.
        OutputError: `folder` cannot be written.
    """
    loaded = model if isinstance(model, DetectionModel) else load_any_model(model)
    if not isinstance(loaded, DetectionModel):
        raise HeadError(f"{loaded.name} is an image classifier; expected an object detector")
    if not isinstance(data, Splits):
        data = load_scenes(data, classes=loaded.classes, seed=seed)
    data = align_scenes(data, loaded.classes)
    chosen = make_method(method, task=loaded.task) if isinstance(method, str) else method
    plan = make_plan(loaded.classes, requests, missing)
    sequence = SceneSequence(
        loaded, data, plan, chosen, shots=shots, replay_fraction=replay_fraction, seed=seed, report=report
    )
    metrics, views = sequence.carry_on(folder)
    return SceneRun(sequence.stack, metrics, data, views)
