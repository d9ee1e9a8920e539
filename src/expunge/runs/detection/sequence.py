"""Requests one after another on one detector; see `expunge.runs.run`."""

from collections.abc import Callable, Sequence

import torch

from expunge.adapters import EditStack
from expunge.data import Scenes, Splits
from expunge.evidence import Metrics, RequestMetrics, Work
from expunge.evidence.detection.request import measure_scene_baseline, measure_scene_request
from expunge.evidence.metrics import ModelInfo
from expunge.methods.protocol import Method
from expunge.methods.sequence import Forgetting
from expunge.runs.run import Run, Stage
from expunge.tasks import Budget, available, task_of
from expunge.tasks.detection.scenes import check_sizes
from expunge.tasks.plan import Plan, check_examples
from expunge.tasks.request import Progress
from expunge.tasks.rows import HeadRows
from expunge.vision.detection import DetectionModel
from expunge.vision.scene_states import Objects, SceneCache, SceneView, look

BATCH = 16
"""Pictures that run together."""

TASK, UNIT = "detection", "AP50"


class SceneSequence(Run[DetectionModel, SceneView]):
    """One detector under a sequence of requests; what is seen are its answers to the test scenes.

    What a method may see is cut out of the training scenes.
    """

    def __init__(
        self,
        model: DetectionModel,
        data: Splits[Scenes],
        plan: Plan,
        method: Method,
        *,
        budget: Budget = Budget(),  # noqa: B008 - a frozen value
        seed: int = 0,
        memory: None = None,
        report: Callable[[Stage], None] = lambda stage: None,
    ):
        """Checks that the plan can be carried out; nothing is computed yet.

        Raises:
            EmptyClassError: A request has nothing to learn or to measure from.
            ModelError: The detector's preprocessing does not bring all pictures to one size.
            TooFewImagesError: A class is in fewer training scenes than `shots`.
        """
        found = available(task_of(model), data, plan, budget, seed=seed)
        check_examples(plan, found.forget, data.test, "object")
        check_sizes(model, data)
        stack, cache = EditStack(model), SceneCache(model, method.first_block(model), batch_size=BATCH)
        forgetting = Forgetting(stack, plan, method, found, seed=seed, activations=cache)
        super().__init__(stack, forgetting, plan, method=method.name, seed=seed, report=report)
        self._test, self._cache, self._rows = data.test, cache, HeadRows.of(model)

    def look(self, name: str) -> SceneView:
        """Answers to the test scenes."""
        views, done = [], 0
        for batch in self._cache.batches(self._test):
            self._report(Stage(name, Progress(done, len(self._test))))
            views.append(look(self._cache, self._test.select(batch), features=True))
            done += len(batch)
        self._report(Stage(name, Progress(done, len(self._test))))
        return joined(views)

    def begun(self, model: ModelInfo, method: str, seed: int) -> Metrics:
        """With the untouched detector's AP50."""
        baseline = measure_scene_baseline(self.original, self._test)
        return Metrics(model=model, method=method, seed=seed, baseline=baseline, task=TASK, unit=UNIT)

    def measured(self, number: int, seen: SceneView, work: Work) -> RequestMetrics:
        """AP50s."""
        classes, plan = self.stack.model.classes, self._plan
        return measure_scene_request(
            self.original,
            seen,
            self._test,
            classes=classes,
            forget=plan.requests[number],
            retain=plan.retained(number, len(classes)),
            earlier=plan.before(number),
            missing=plan.missing,
            work=work,
            rows=self._rows,
        )


def joined(views: Sequence[SceneView]) -> SceneView:
    """The answers to several lots of scenes as those to all of them, in order."""
    starts = [0]
    for view in views:
        starts.append(starts[-1] + len(view))
    objects = [view.objects for view in views]
    features = [view.features for view in views if view.features is not None]
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
        features=torch.cat(features) if len(features) == len(views) else None,
    )
