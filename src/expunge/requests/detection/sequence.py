"""Carries out requests one after another on one detector, and measures each.

The twin of `expunge.requests.sequence`: what a method may see is cut out of the training scenes; the untouched detector
looks at the test scenes once; then for each request the method makes an edit, the edit goes on the stack, and the
detector looks at the test scenes again.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from expunge.adapters import Edit, EditStack
from expunge.data import SceneSplits
from expunge.evidence import Metrics, RequestMetrics, Work
from expunge.evidence.detection.request import measure_scene_baseline, measure_scene_request
from expunge.evidence.metrics import Groups, ImagesUsed, ModelInfo, Parameters
from expunge.methods import Progress
from expunge.methods.detection.protocol import DetectionMethod, SceneTask
from expunge.methods.detection.sequence import SceneForgetting, available_scenes
from expunge.methods.plan import Plan
from expunge.requests.detection.scenes import check_boxes, check_sizes
from expunge.requests.sequence import Stage
from expunge.vision.detection import DetectionModel
from expunge.vision.scene_states import Objects, SceneCache, SceneView, look

BATCH = 16
"""Pictures that run together."""

TASK, UNIT = "detection", "AP50"


@dataclass(frozen=True)
class SceneResult:
    """What one request left behind.

    Attributes:
        edit: The change it made.
        metrics: Its figures.
        view: The detector's answers to the test scenes after it.
    """

    edit: Edit
    metrics: RequestMetrics
    view: SceneView


class SceneSequence:
    """One detector under a sequence of requests.

    Attributes:
        stack: The detector with the edits made so far.
        original: The untouched detector's answers to the test scenes; there once `prepare` has run.
    """

    original: SceneView

    def __init__(
        self,
        model: DetectionModel,
        data: SceneSplits,
        plan: Plan,
        method: DetectionMethod,
        *,
        shots: int | None = None,
        replay_fraction: float = 1.0,
        seed: int = 0,
        report: Callable[[Stage], None] = lambda stage: None,
    ):
        """Checks that the plan can be carried out; nothing is computed yet.

        Raises:
            EmptyClassError: A request has nothing to learn or to measure from.
            ModelError: The detector's preprocessing does not bring all pictures to one size.
            TooFewImagesError: A class is in fewer training scenes than `shots`.
        """
        found = available_scenes(data.train, data.validation, plan, shots=shots, fraction=replay_fraction, seed=seed)
        check_boxes(plan, found, data.test)
        check_sizes(model, data)
        self.stack = EditStack(model)
        self._plan, self._method, self._seed, self._report = plan, method, seed, report
        self._test = data.test
        self._cache = SceneCache(model, method.first_block(model), batch_size=BATCH)
        self._forgetting = SceneForgetting(self.stack, plan, method, found, seed=seed, activations=self._cache)

    def prepare(self) -> Metrics:
        """Measures the untouched detector and, where the method wants them, takes its prototypes."""
        model = self.stack.model
        self.original = self._look("measuring the original model")
        self._forgetting.prepare()
        return Metrics(
            model=ModelInfo(name=model.name, sha256=model.digest(), classes=model.classes),
            method=self._method.name,
            seed=self._seed,
            baseline=measure_scene_baseline(self.original, self._test),
            task=TASK,
            unit=UNIT,
        )

    def replay_edits(self, edits: Sequence[Edit]) -> list[SceneView]:
        """Puts edits of an earlier, interrupted run back on; returns the answers to the test scenes after each."""
        views = []
        for number, edit in enumerate(edits, start=1):
            self.stack.push(edit)
            views.append(self._look(f"restoring request {number}"))
        return views

    def run(self) -> Iterator[SceneResult]:
        """Carries out the requests that are not on the stack yet, one a step."""
        for number in range(len(self.stack.edits), len(self._plan.requests)):
            yield self._carry_out(number)

    def _carry_out(self, number: int) -> SceneResult:
        name = f"request {number + 1} of {len(self._plan.requests)}"
        started = time.perf_counter()
        edit = self._forgetting.carry_out(number, lambda progress: self._report(Stage(name, progress)))
        seconds = time.perf_counter() - started
        view = self._look(f"measuring {name}")
        task = self._forgetting.task(number)
        metrics = measure_scene_request(
            self.original,
            view,
            self._test,
            classes=self.stack.model.classes,
            forget=task.targets,
            retain=self._plan.retained(number, len(self.stack.model.classes)),
            earlier=task.forgotten,
            missing=self._plan.missing,
            work=self._work(task, edit, seconds),
        )
        return SceneResult(edit, metrics, view)

    def _work(self, task: SceneTask, edit: Edit, seconds: float) -> Work:
        model = self.stack.model
        edited = sum(any(name.startswith(f"{block.name}.") for name in edit.touched) for block in model.blocks)
        return Work(
            images=ImagesUsed(forget=len(task.forget), retain=len(task.retain)),
            groups=Groups(total=len(model.blocks), kept=edited),
            parameters=Parameters(edited=edit.parameters, total=model.num_parameters),
            bytes=edit.bytes,
            seconds=seconds,
        )

    def _look(self, name: str) -> SceneView:
        views, done = [], 0
        for batch in self._cache.batches(self._test):
            self._report(Stage(name, Progress(done, len(self._test))))
            views.append(look(self._cache, self._test.select(batch)))
            done += len(batch)
        self._report(Stage(name, Progress(done, len(self._test))))
        return joined(views)


def joined(views: Sequence[SceneView]) -> SceneView:
    """The answers to several lots of scenes as those to all of them, in order."""
    starts = [0]
    for view in views:
        starts.append(starts[-1] + len(view))
    objects = [view.objects for view in views]
    return SceneView(
        Objects(
            torch.cat([one.features for one in objects]),
            torch.cat([one.logits for one in objects]),
            torch.cat([one.labels for one in objects]),
            torch.cat([one.scenes + start for one, start in zip(objects, starts[:-1], strict=True)]),
        ),
        torch.cat([view.logits for view in views]),
        torch.cat([view.boxes for view in views]),
        kind=views[0].kind,
        sizes=tuple(size for view in views for size in view.sizes),
    )
