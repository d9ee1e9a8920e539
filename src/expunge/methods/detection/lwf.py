"""LwF for detectors: the old detector's softened classes and its boxes are distilled on scenes that stay."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor

from expunge.data import Scenes
from expunge.methods.lwf import Distilling
from expunge.tasks import ForgetTask
from expunge.tasks.detection import SceneBatch, SceneContext, SceneTeacher, box_distance


@dataclass(frozen=True)
class LwF(Distilling[ForgetTask[Scenes], SceneBatch]):
    """LwF with L_old + b · L_box in place of L_old, at all queries of retained scenes.

    L_old is the paper's distillation for classes; L_box is ours, the criterion's box terms against the old boxes, as
    the paper has no boxes. What was said of the targets is not distilled, as replayed scenes may show them: see
    `expunge.tasks.detection.teacher`.

    Attributes:
        box_weight: b, weight of the boxes in it.
        temperature: What logits are divided by before the softmax or the sigmoid; the paper uses 2.
    """

    box_weight: NonNegativeFloat = 1.0
    temperature: PositiveFloat = 2.0

    summary: ClassVar[str] = "bounded forgetting, with old softened classes and boxes distilled on retained scenes"
    tasks: ClassVar[tuple[str, ...]] = ("detection",)

    def distilled(self, context: SceneContext, teacher: SceneTeacher, batch: SceneBatch) -> Float[Tensor, ""]:
        """The cross-entropy between softened probabilities, and the boxes."""
        now, old = teacher.pair(batch)
        boxes = self.box_weight * box_distance(now.boxes, old.boxes, context.model.criterion)
        return teacher.softened(now, old, self.temperature) + boxes
