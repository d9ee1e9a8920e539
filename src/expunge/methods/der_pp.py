"""DER++: DER, and the replay's labels as well."""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import NonNegativeFloat
from torch import Tensor

from expunge.adapters import Tuned
from expunge.data import Images
from expunge.methods.der import DER
from expunge.tasks import ForgetTask
from expunge.tasks.classification import Batch, Context, Objective


@dataclass(frozen=True)
class DERPlusPlus(DER):
    """DER's loss + b · L_retain (section 3; the paper calls b β, which here weighs the forgetting).

    The paper draws the images of the two replay terms apart; we use one batch for both, so that all methods see equally
    many images a step.

    Attributes:
        label_weight: b, weight of the replay's own loss.
    """

    label_weight: NonNegativeFloat = 1.0

    name: ClassVar[str] = "der++"
    summary: ClassVar[str] = "bounded forgetting, with the old logits and the labels of retained images replayed"

    def objective(self, context: Context, task: ForgetTask[Images], weights: Tuned) -> Objective:
        """DER's objective and the replay's loss."""
        without_labels = super().objective(context, task, weights)

        def loss(retain: Batch, forget: Batch) -> Tensor:
            labelled = context.model.loss(retain.output.logits, retain.labels)
            return without_labels(retain, forget) + self.label_weight * labelled

        return loss
