"""Judges a state of a detector on the validation scenes. Test data never comes near."""

from expunge.data import Scenes
from expunge.tasks.detection.batches import SceneBatch, SceneObjective, at_images, make_batch, outputs
from expunge.tasks.request import ForgetTask
from expunge.tasks.scores import harmonic_mean
from expunge.vision.detection import DetectionOutput, SceneCache, ap50, detect, mean, targets_of


class SceneJudge:
    """H = 2 · AP_r · Drop / (AP_r + Drop) in AP50 on the validation scenes, the measure of the papers.

    Ties go to the state with the lowest objective there, the loss that the method trains with.
    """

    def __init__(self, cache: SceneCache, task: ForgetTask[Scenes], objective: SceneObjective):
        """Measures the state before training, to know the drop."""
        self._cache = cache
        self._task = task
        self._scenes = task.validation
        self._truth = targets_of(self._scenes)
        self._objective = objective
        forgotten, _ = self._precisions(outputs(cache, self._scenes)) if len(self._scenes) else (None, None)
        self._before = forgotten or 0.0

    def _precisions(self, output: DetectionOutput) -> tuple[float | None, float | None]:
        """AP50 in percent of the targets and of what stays; None where validation has no box of them.

        No score is too low to count: AP looks at the order of scores alone, so a class whose scores are all small is
        found as well as ever.
        """
        on_cpu = DetectionOutput(output.features.cpu(), output.logits.cpu(), output.boxes.cpu(), output.kind)
        found = detect(on_cpu, [(1, 1)] * len(output))
        each = dict(enumerate(ap50(found, self._truth, len(self._cache.model.classes))))
        gone = [each[label] for label in self._task.targets]
        kept = [value for label, value in each.items() if label not in {*self._task.targets, *self._task.forgotten}]
        forgotten, retained = (mean(part) if any(p is not None for p in part) else None for part in (gone, kept))
        return forgotten, retained

    def __call__(self) -> tuple[float, float]:
        """H of the present state in percent, and minus the objective; greater is better.

        Where the targets or what stays have no validation box, the AP50 of the others stands alone; without validation
        scenes all states are equal.
        """
        if not len(self._scenes):
            return 0.0, 0.0
        output = outputs(self._cache, self._scenes)
        forgotten, retained = self._precisions(output)
        drop = max(0.0, self._before - (forgotten or 0.0))
        if forgotten is None or retained is None:
            return (retained or 0.0) + drop, 0.0
        return harmonic_mean(retained, drop), -float(self._objective(*self._batches(output)))

    def _batches(self, output: DetectionOutput) -> tuple[SceneBatch, SceneBatch]:
        """The validation scenes as the objective sees training scenes: with the boxes of one side at a time."""
        targets, forgotten = self._task.targets, self._task.forgotten
        kept = self._scenes.without({*targets, *forgotten})
        gone = self._scenes.without(set(range(len(self._scenes.classes))) - set(targets))
        rows = [i for i, scene in enumerate(gone.scenes) if scene.boxes]
        every = range(len(kept))
        return make_batch(kept, every, output), make_batch(gone, rows, at_images(output, rows))
