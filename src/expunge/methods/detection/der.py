"""DER and DER++ for detectors: the replay's old logits and boxes are kept, and regressed on."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from pydantic import NonNegativeFloat
from torch import Tensor

from expunge.data import Scenes
from expunge.methods import der, der_pp
from expunge.tasks import ForgetTask
from expunge.tasks.detection import SceneBatch, SceneContext, box_distance
from expunge.vision.detection import DetectionOutput


@dataclass(frozen=True)
class DER(der.DER[ForgetTask[Scenes], SceneBatch]):
    """DER with mean (z - h(x))² + b · L_box in place of the first term, on retained scenes, at all queries.

    z are the logits of the classes that stay; the boxes of the replay are not used. L_box is ours, the criterion's box
    terms against the old boxes, as the paper has no boxes. What was said of the targets is not replayed: see
    `expunge.tasks.detection.teacher`.

    Attributes:
        box_weight: b, weight of the boxes beside it.
    """

    box_weight: NonNegativeFloat = 1.0

    summary: ClassVar[str] = "bounded forgetting, with the old logits and boxes of retained scenes replayed"
    tasks: ClassVar[tuple[str, ...]] = ("detection",)

    def error(self, context: SceneContext, now: DetectionOutput, old: DetectionOutput) -> Float[Tensor, ""]:
        """What α weighs: the logits' error, and that of the boxes."""
        logits = super().error(context, now, old)
        return logits + self.box_weight * box_distance(now.boxes, old.boxes, context.model.criterion)


@dataclass(frozen=True)
class DERPlusPlus(der_pp.DERPlusPlus[ForgetTask[Scenes], SceneBatch], DER):
    """DER of detectors, and the set criterion on the replay."""

    summary: ClassVar[str] = "bounded forgetting, with old logits and boxes and the true boxes of retained scenes"
