"""LwF for detectors: the old detector's softened classes and its boxes are distilled on scenes that stay."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor

from expunge.adapters import Tuned
from expunge.data import Scenes
from expunge.methods.fine_tuning import BlockTuning
from expunge.methods.losses import forget_term
from expunge.tasks import ForgetTask
from expunge.tasks.detection import SceneBatch, SceneContext, SceneObjective, SceneTeacher, box_distance, softened


@dataclass(frozen=True)
class LwF(BlockTuning[SceneContext, ForgetTask[Scenes], SceneBatch]):
    """L_retain + β · ReLU(BND - L_forget) + λ · (L_old + b · L_box) on retained scenes, at all queries.

    L_old is the paper's distillation for classes; L_box is ours, the criterion's box terms against the old boxes, as
    the paper has no boxes. What was said of the targets is not distilled, as replayed scenes may show them: see
    `expunge.tasks.detection.teacher`.

    Attributes:
        distillation: λ, weight of the distillation; the paper uses 1.
        box_weight: b, weight of the boxes in it.
        temperature: What logits are divided by before the softmax or the sigmoid; the paper uses 2.
    """

    distillation: NonNegativeFloat = 1.0
    box_weight: NonNegativeFloat = 1.0
    temperature: PositiveFloat = 2.0

    name: ClassVar[str] = "lwf"
    summary: ClassVar[str] = "bounded forgetting, with old softened classes and boxes distilled on retained scenes"
    source: ClassVar[str] = "Li and Hoiem, ECCV 2016, arXiv 1606.09282"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    needs_prototypes: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...]] = ("detection",)

    def objective(self, context: SceneContext, task: ForgetTask[Scenes], weights: Tuned) -> SceneObjective:
        """The replay's loss, the bounded forget loss, and the distillation."""
        model, teacher, forgotten = (
            context.model,
            SceneTeacher(context, task),
            forget_term(context, self.beta, self.bound),
        )

        def loss(retain: SceneBatch, forget: SceneBatch) -> Tensor:
            now, old = teacher.pair(retain)
            boxes = self.box_weight * box_distance(now.boxes, old.boxes, model.criterion)
            distilled = softened(now, old, self.temperature) + boxes
            return context.retain_loss(retain) + forgotten(forget) + self.distillation * distilled

        return loss
