"""Context of a method on a detector: scenes, and what its queries say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from expunge.data import Scenes
from expunge.memory import Prototypes
from expunge.tasks.detection import _losses as losses
from expunge.tasks.detection._judge import SceneJudge
from expunge.tasks.detection.batches import SceneBatch, SceneObjective, both_batches, make_batch
from expunge.tasks.detection.teacher import SceneTeacher
from expunge.tasks.request import ForgetTask, Progress
from expunge.vision.detection import DetectionModel, SceneCache, matched


def _silent(progress: Progress) -> None:
    """Reports no progress."""


@dataclass(frozen=True)
class SceneContext:
    """Context of a method.

    Attributes:
        model: The detector as earlier edits left it.
        activations: What passes the cut below the method's own `first_block`, kept per picture.
        prototypes: Mean features of the classes' matched queries under the original detector; None for a method that
            `needs_prototypes` not.
        seed: Seeds every random choice of the method.
        report: Called now and then with the progress.
    """

    model: DetectionModel
    activations: SceneCache
    prototypes: Prototypes | None = None
    seed: int = 0
    report: Callable[[Progress], None] = _silent

    def batches(
        self, task: ForgetTask[Scenes], retain: Sequence[int], forget: Sequence[int]
    ) -> tuple[SceneBatch, SceneBatch]:
        """Runs some of the replay and some of the forget scenes in one forward pass, under the caller's grad mode."""
        return both_batches(self.activations, task.retain, retain, task.forget, forget)

    def replayed(self, task: ForgetTask[Scenes], indices: Sequence[int]) -> SceneBatch:
        """Runs some of the replay alone, under the caller's grad mode."""
        return make_batch(task.retain, indices, self.activations.output(task.retain, indices))

    def judge(self, task: ForgetTask[Scenes], objective: SceneObjective) -> SceneJudge:
        """Looks at the validation scenes now; see `expunge.tasks.detection._judge`."""
        return SceneJudge(self.activations, task, objective)

    def teacher(self, task: ForgetTask[Scenes]) -> SceneTeacher:
        """What the detector makes of the request's scenes now; see `expunge.tasks.detection.teacher`."""
        return SceneTeacher(self.activations, task)

    def retain_loss(self, batch: SceneBatch) -> Float[Tensor, ""]:
        """The set criterion of a batch; an object without a box in it is background."""
        return self.model.loss(batch.output, batch.targets).total

    def forget_loss(self, batch: SceneBatch) -> Float[Tensor, ""]:
        """The set criterion of the queries that answer for an object; see `expunge.tasks.detection._losses`."""
        return losses.answers_loss(self.model.criterion, batch.output, batch.targets)

    def forget_bound(self) -> float:
        """BND, derived from the set criterion; see `expunge.tasks.detection._losses`."""
        return losses.forget_bound(self.model)

    def embedded(self, batch: SceneBatch) -> tuple[Float[Tensor, "m d"], Int[Tensor, " m"]]:
        """Features of the queries that answer for an object, matched as the criterion matches them, and its class."""
        found = matched(batch.output, batch.targets, self.model.criterion.match(batch.output, batch.targets))
        return found.features, found.labels
