"""LwF: the old model's softened predictions on what stays are distilled into the new one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor
from torch.nn import functional

from expunge.adapters import Tuned
from expunge.data import Images
from expunge.methods.fine_tuning import FineTuning
from expunge.methods.losses import forget_term
from expunge.tasks import ForgetTask
from expunge.tasks.classification import Batch, Context, Objective, Teacher


@dataclass(frozen=True)
class LwF(FineTuning):
    """L_retain + β · ReLU(BND - L_forget) + λ · L_old on retained images; L_old distils the model before the request.

    The paper distils on the new task's images, as it has no others; in forgetting those would teach the targets anew,
    so the published comparison and we distil on the replay, over the logits of all classes.

    Attributes:
        distillation: λ, weight of the distillation; the paper uses 1.
        temperature: What logits are divided by before the softmax; the paper uses 2.
    """

    distillation: NonNegativeFloat = 1.0
    temperature: PositiveFloat = 2.0

    name: ClassVar[str] = "lwf"
    summary: ClassVar[str] = "bounded forgetting, with the old softened predictions distilled on retained images"
    source: ClassVar[str] = "Li and Hoiem, ECCV 2016, arXiv 1606.09282"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    needs_prototypes: ClassVar[bool] = False

    def objective(self, context: Context, task: ForgetTask[Images], weights: Tuned) -> Objective:
        """The replay's loss, the bounded forget loss, and the distillation."""
        teacher = Teacher(context, task)
        forgotten = forget_term(context, self.beta, self.bound)

        def loss(retain: Batch, forget: Batch) -> Tensor:
            logits = retain.output.logits
            distilled = softened_cross_entropy(logits, teacher.output(retain).logits, self.temperature)
            return context.model.loss(logits, retain.labels) + forgotten(forget) + self.distillation * distilled

        return loss


def softened_cross_entropy(
    logits: Float[Tensor, "n c"], old: Float[Tensor, "n c"], temperature: float
) -> Float[Tensor, ""]:
    """Mean over images of `-Σ p' log q'` in nats, with p' and q' the softmax of `old / T` and `logits / T` (eq. 2).

    Equation 3 takes probabilities to the power 1/T and norms them, which is the same.
    """
    return functional.cross_entropy(logits / temperature, functional.softmax(old / temperature, dim=1))
