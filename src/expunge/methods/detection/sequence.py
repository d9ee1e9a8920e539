"""Requests one after another on one detector: what each method sees, and its edit on top of the earlier ones."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from expunge.adapters import Edit, EditStack
from expunge.data import Scenes, few_shot_scenes, replay_scenes
from expunge.memory import Prototypes
from expunge.memory.prototypes import mean_embeddings
from expunge.methods.detection.protocol import DetectionMethod, SceneContext, SceneTask
from expunge.methods.plan import Plan
from expunge.methods.protocol import Progress
from expunge.vision.detection import DetectionModel, matched, target_of
from expunge.vision.scene_states import SceneCache


@dataclass(frozen=True)
class AvailableScenes:
    """The part of the training data that methods may see: n-shot, replayed, without the missing classes.

    Attributes:
        forget: Scenes for the request that names a class in them.
        replay: Scenes for the requests during which classes stay.
        validation: Held-out training scenes.
    """

    forget: Scenes
    replay: Scenes
    validation: Scenes


def available_scenes(
    train: Scenes, validation: Scenes, plan: Plan, *, shots: int | None, replay: float, seed: int
) -> AvailableScenes:
    """Cuts out what the methods may see under `plan`.

    Scenes that hold a missing class are left out whole: without their boxes, its objects would be taught as background.
    With `shots`, every class comes with that many scenes, with all of their boxes. `replay` is the part of
    what stays that is left; a class keeps all of its scenes for the request that names it.

    Raises:
        TooFewImagesError: A class is in some training scenes, but in fewer than `shots`.
    """
    train = lacking(train, plan.missing)
    if shots is not None:
        train = few_shot_scenes(train, shots, seed)
    kept = replay_scenes(train, replay, seed) if replay < 1.0 else train
    return AvailableScenes(train, kept, lacking(validation, plan.missing))


def lacking(scenes: Scenes, classes: tuple[int, ...]) -> Scenes:
    """The scenes in which no object of `classes` is, nor a group of them."""
    return scenes.select(
        i
        for i, scene in enumerate(scenes.scenes)
        if not any(box.label in classes for box in (*scene.boxes, *scene.crowds))
    )


class SceneForgetting:
    """One detector under a sequence of requests.

    Attributes:
        stack: The detector with the edits made so far.
        activations: What passes the cut below the method's first block.
    """

    def __init__(
        self,
        stack: EditStack[DetectionModel],
        plan: Plan,
        method: DetectionMethod,
        data: AvailableScenes,
        *,
        seed: int = 0,
        activations: SceneCache | None = None,
    ):
        """Nothing is computed yet; the detector on `stack` must be the pristine one when `prepare` is called.

        `activations`, if given, must enter the detector at or below the method's first block.
        """
        self.stack = stack
        self.activations = activations or SceneCache(stack.model, method.first_block(stack.model))
        self._plan, self._method, self._data, self._seed = plan, method, data, seed
        self._prototypes: Prototypes | None = None

    @property
    def entry(self) -> int:
        """Index of the first block that edits may change."""
        return self.activations.entry

    def prepare(self) -> None:
        """Takes the original detector's prototypes, where the method wants them."""
        if self._method.needs_prototypes:
            named = {c for request in self._plan.requests for c in request}
            others = set(range(len(self.stack.model.classes))) - named
            self._prototypes = prototypes_of(
                self.activations, self._data.forget.without(others), self._data.replay.without(named)
            )

    def task(self, number: int) -> SceneTask:
        """Request number `number`, from 0, as the method sees it.

        Raises:
            EmptyClassError: A class to forget has no box in the training scenes.
        """
        targets, forgotten = self._plan.requests[number], self._plan.before(number)
        return SceneTask(
            targets=targets,
            forgotten=forgotten,
            forget=self._data.forget.only(targets),
            retain=self._data.replay.without({*targets, *forgotten}),
            validation=self._data.validation.without(forgotten),
        )

    def carry_out(self, number: int, report: Callable[[Progress], None] = lambda progress: None) -> Edit:
        """Makes the edit for request `number` and puts it on the stack.

        Raises:
            EmptyClassError: A class to forget has no box in the training scenes.
        """
        context = SceneContext(
            model=self.stack.model,
            activations=self.activations,
            prototypes=self._prototypes,
            seed=self._seed + number,
            report=report,
        )
        edit = self._method.forget(context, self.task(number))
        self.stack.push(edit)
        return edit


@torch.no_grad()
def prototypes_of(activations: SceneCache, *parts: Scenes) -> Prototypes:
    """The mean feature of each class's matched queries under the detector as it stands (arXiv 2501.09705, section 4).

    Args:
        activations: The detector.
        parts: Scenes whose boxes count.

    Raises:
        MissingExtraError: scipy is not installed.
    """
    model, features, labels = activations.model, [], []
    for scenes in parts:
        for batch in activations.batches(scenes):
            output = activations.output(scenes, batch)
            targets = [target_of(scenes.scenes[i]) for i in batch]
            found = matched(output, targets, model.criterion.match(output, targets))
            features.append(found.features.float().cpu())
            labels.append(found.labels.cpu())
    return mean_embeddings(torch.cat(features), torch.cat(labels), len(model.classes))
