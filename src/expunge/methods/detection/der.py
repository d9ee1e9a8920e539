"""DER for detectors: the replay's old logits and boxes are kept, and regressed on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import NonNegativeFloat
from torch import Tensor

from expunge.adapters import Tuned
from expunge.data import Scenes
from expunge.methods.fine_tuning import BlockTuning
from expunge.methods.losses import forget_term
from expunge.tasks import ForgetTask
from expunge.tasks.detection import SceneBatch, SceneContext, SceneObjective, SceneTeacher, box_distance, logit_distance


@dataclass(frozen=True)
class DER(BlockTuning[SceneContext, ForgetTask[Scenes], SceneBatch]):
    """β · ReLU(BND - L_forget) + α · (mean (z - h(x))² + b · L_box) on retained scenes, at all queries (section 3).

    z are the logits before the request, of the classes that stay; the boxes of the replay are not used. As for
    classifiers, squares are averaged. L_box is ours, the criterion's box terms against the old boxes, as the paper has
    no boxes. What was said of the targets is not replayed: see `expunge.tasks.detection.teacher`.

    Attributes:
        logit_weight: α, per squared logit.
        box_weight: b, weight of the boxes beside it.
    """

    logit_weight: NonNegativeFloat = 0.5
    box_weight: NonNegativeFloat = 1.0

    name: ClassVar[str] = "der"
    summary: ClassVar[str] = "bounded forgetting, with the old logits and boxes of retained scenes replayed"
    source: ClassVar[str] = "Buzzega et al., NeurIPS 2020, arXiv 2004.07211"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    needs_prototypes: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...]] = ("detection",)

    def objective(self, context: SceneContext, task: ForgetTask[Scenes], weights: Tuned) -> SceneObjective:
        """The bounded forget loss and the regression on what the queries said before."""
        criterion, teacher, forgotten = (
            context.model.criterion,
            SceneTeacher(context, task),
            forget_term(context, self.beta, self.bound),
        )

        def loss(retain: SceneBatch, forget: SceneBatch) -> Tensor:
            now, old = teacher.pair(retain)
            error = logit_distance(now, old) + self.box_weight * box_distance(now.boxes, old.boxes, criterion)
            return forgotten(forget) + self.logit_weight * error

        return loss
