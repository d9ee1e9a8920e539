"""DER++: DER, and the replay's labels as well."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import NonNegativeFloat
from torch import Tensor

from expunge.adapters import Tuned
from expunge.methods.der import DER
from expunge.tasks import B, T


@dataclass(frozen=True)
class DERPlusPlus(DER[T, B]):
    """DER's loss + c · L_retain (section 3; the paper calls c β, which here weighs the forgetting).

    The paper draws the images of the two replay terms apart; we use one batch for both, so that all methods see equally
    many images a step.

    Attributes:
        label_weight: c, weight of the replay's own loss.
    """

    label_weight: NonNegativeFloat = 1.0

    name: ClassVar[str] = "der++"
    summary: ClassVar[str] = "bounded forgetting, with the old logits and the labels of retained images replayed"

    def objective(self, context: Any, task: T, weights: Tuned) -> Callable[[B, B], Tensor]:
        """DER's objective and the replay's loss."""
        without_labels = super().objective(context, task, weights)

        def loss(retain: B, forget: B) -> Tensor:
            return without_labels(retain, forget) + self.label_weight * context.retain_loss(retain)

        return loss
