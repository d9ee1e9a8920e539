"""LwF: the old model's softened predictions on what stays are distilled into the new one."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from jaxtyping import Float
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor

from expunge.adapters import Tuned
from expunge.methods._losses import forget_term
from expunge.methods.fine_tuning import BlockTuning
from expunge.tasks import B, T


@dataclass(frozen=True)
class Distilling(BlockTuning[Any, T, B], ABC):
    """L_retain + β · ReLU(BND - L_forget) + λ · L_old on retained images; L_old distils the model before the request.

    The paper distils on the new task's images, as it has no others; in forgetting those would teach the targets anew,
    so the published comparison and we distil on the replay.

    Attributes:
        distillation: λ, weight of the distillation; the paper uses 1.
    """

    distillation: NonNegativeFloat = 1.0

    name: ClassVar[str] = "lwf"
    source: ClassVar[str] = "Li and Hoiem, ECCV 2016, arXiv 1606.09282"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    needs_prototypes: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...]] = ("classification",)

    @abstractmethod
    def distilled(self, context: Any, teacher: Any, batch: B) -> Float[Tensor, ""]:
        """L_old of a batch of the replay."""

    def objective(self, context: Any, task: T, weights: Tuned) -> Callable[[B, B], Tensor]:
        """The replay's loss, the bounded forget loss, and the distillation."""
        teacher = context.teacher(task)
        forgotten = forget_term(context, self.beta, self.bound)

        def loss(retain: B, forget: B) -> Tensor:
            distilled = self.distilled(context, teacher, retain)
            return context.retain_loss(retain) + forgotten(forget) + self.distillation * distilled

        return loss


@dataclass(frozen=True)
class LwF(Distilling[T, B]):
    """Distils over the logits of all classes.

    Attributes:
        temperature: What logits are divided by before the softmax; the paper uses 2.
    """

    temperature: PositiveFloat = 2.0

    summary: ClassVar[str] = "bounded forgetting, with the old softened predictions distilled on retained images"

    def distilled(self, context: Any, teacher: Any, batch: B) -> Float[Tensor, ""]:
        """The cross-entropy between softened probabilities."""
        return teacher.softened(*teacher.pair(batch), self.temperature)
