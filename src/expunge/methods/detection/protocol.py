"""What every method that makes a detector forget answers to, and what it is given.

The twin of `expunge.methods.protocol`: scenes with boxes in place of images with one label, and queries matched with
objects in place of embeddings. Test scenes never come near.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from expunge.adapters import Edit
from expunge.memory import Prototypes
from expunge.methods.detection import losses
from expunge.methods.detection.judge import SceneJudge
from expunge.methods.detection.scene_batches import both_batches, make_batch
from expunge.methods.detection.task import SceneBatch, SceneObjective, SceneTask
from expunge.methods.task import Progress
from expunge.vision.detection import DetectionModel, matched
from expunge.vision.scene_states import SceneCache

__all__ = ["DetectionMethod", "SceneBatch", "SceneContext", "SceneObjective", "SceneTask"]


def _silent(progress: Progress) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class SceneContext:
    """What a method works with.

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

    def batches(self, task: SceneTask, retain: Sequence[int], forget: Sequence[int]) -> tuple[SceneBatch, SceneBatch]:
        """Runs some of the replay and some of the forget scenes in one forward pass, under the caller's grad mode."""
        return both_batches(self.activations, task.retain, retain, task.forget, forget)

    def replayed(self, task: SceneTask, indices: Sequence[int]) -> SceneBatch:
        """Runs some of the replay alone, under the caller's grad mode."""
        return make_batch(task.retain, indices, self.activations.output(task.retain, indices))

    def judge(self, task: SceneTask, objective: SceneObjective) -> SceneJudge:
        """Looks at the validation scenes now; see `expunge.methods.detection.judge`."""
        return SceneJudge(self.activations, task, objective)

    def retain_loss(self, batch: SceneBatch) -> Float[Tensor, ""]:
        """The set criterion of a batch; an object without a box in it is background."""
        return self.model.loss(batch.output, batch.targets).total

    def forget_loss(self, batch: SceneBatch) -> Float[Tensor, ""]:
        """The set criterion of the queries that answer for an object; see `expunge.methods.detection.losses`."""
        return losses.answers_loss(self.model.criterion, batch.output, batch.targets)

    def forget_bound(self) -> float:
        """BND, derived from the set criterion; see `expunge.methods.detection.losses`."""
        return losses.forget_bound(self.model)

    def embedded(self, batch: SceneBatch) -> tuple[Float[Tensor, "m d"], Int[Tensor, " m"]]:
        """Features of the queries that answer for an object, matched as the criterion matches them, and its class."""
        found = matched(batch.output, batch.targets, self.model.criterion.match(batch.output, batch.targets))
        return found.features, found.labels


@runtime_checkable
class DetectionMethod(Protocol):
    """A forgetting method for detectors: a frozen dataclass whose fields are its settings.

    Attributes:
        name: What it is called on the command line; the same name as its twin for classifiers, if there is one.
        summary: One line on what it does.
        source: Paper or origin.
        presets: Named sets of settings, applied over the defaults.
        needs_prototypes: Whether `SceneContext.prototypes` must be there.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    presets: ClassVar[Mapping[str, Mapping[str, object]]]
    needs_prototypes: ClassVar[bool]

    def first_block(self, model: DetectionModel) -> int:
        """Index of the lowest block that the method may edit."""
        ...

    def forget(self, context: SceneContext, task: SceneTask) -> Edit:
        """Makes the edit that forgets `task.targets`. Leaves the detector as it found it."""
        ...
