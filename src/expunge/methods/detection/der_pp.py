"""DER++ for detectors: DER, and the replay's boxes as well."""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import NonNegativeFloat
from torch import Tensor

from expunge.adapters import Tuned
from expunge.data import Scenes
from expunge.methods.detection.der import DER
from expunge.tasks import ForgetTask
from expunge.tasks.detection import SceneBatch, SceneContext, SceneObjective


@dataclass(frozen=True)
class DERPlusPlus(DER):
    """DER's loss + c · L_retain (section 3; the paper calls c β, which here weighs the forgetting).

    The paper draws the images of the two replay terms apart; we use one batch for both, so that all methods see equally
    many scenes a step.

    Attributes:
        label_weight: c, weight of the set criterion on the replay.
    """

    label_weight: NonNegativeFloat = 1.0

    name: ClassVar[str] = "der++"
    summary: ClassVar[str] = "bounded forgetting, with old logits and boxes and the true boxes of retained scenes"

    def objective(self, context: SceneContext, task: ForgetTask[Scenes], weights: Tuned) -> SceneObjective:
        """DER's objective and the replay's loss."""
        without_labels = super().objective(context, task, weights)

        def loss(retain: SceneBatch, forget: SceneBatch) -> Tensor:
            return without_labels(retain, forget) + self.label_weight * context.retain_loss(retain)

        return loss
