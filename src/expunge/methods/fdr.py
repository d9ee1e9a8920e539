"""FDR: the distance between the new and the old model, as functions, is kept small on the replay."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import NonNegativeFloat
from torch import Tensor

from expunge.adapters import Tuned
from expunge.data import Images
from expunge.methods._losses import forget_term
from expunge.methods.fine_tuning import FineTuning
from expunge.tasks import ForgetTask
from expunge.tasks.classification import Batch, Context, Objective


@dataclass(frozen=True)
class FDR(FineTuning):
    """β · ReLU(BND - L_forget) + λ · ‖f - f_old‖ on retained images, the L² distance of functions; no labels.

    Unlike DER's square, the distance pulls with the same force however near the old function is. The paper is about
    outputs in general; we take the logits, as the released code of the published comparison does: the probabilities of
    a sure model hardly move. ‖·‖ is the root of the mean over images of the squared distance, the paper's estimate;
    that code takes the mean of the distances.

    Attributes:
        distance_weight: λ, in nats per unit of logit.
    """

    distance_weight: NonNegativeFloat = 0.2

    name: ClassVar[str] = "fdr"
    summary: ClassVar[str] = "bounded forgetting, with the distance to the old function kept small on retained images"
    source: ClassVar[str] = "Benjamin et al., ICLR 2019, arXiv 1805.08289"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    needs_prototypes: ClassVar[bool] = False

    def objective(self, context: Context, task: ForgetTask[Images], weights: Tuned) -> Objective:
        """The bounded forget loss and the function distance on the replay."""
        teacher = context.teacher(task)
        forgotten = forget_term(context, self.beta, self.bound)

        def loss(retain: Batch, forget: Batch) -> Tensor:
            distance = function_distance(retain.output.logits, teacher.output(retain).logits)
            return forgotten(forget) + self.distance_weight * distance

        return loss


def function_distance(f: Float[Tensor, "n c"], g: Float[Tensor, "n c"]) -> Float[Tensor, ""]:
    """`sqrt(1/n Σ ‖f_i - g_i‖²)` over images: the estimate of the L² distance between two functions.

    Its gradient where both agree is zero, not undefined, so that a training may start there.
    """
    return torch.linalg.vector_norm(f - g) / math.sqrt(len(f))
