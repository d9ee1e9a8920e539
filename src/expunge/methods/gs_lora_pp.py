"""GS-LoRA++: GS-LoRA, prototypes of the original model, and a moving average of the weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from expunge.errors import MethodError
from expunge.methods.average import WeightAverage
from expunge.methods.bounds import forget_bound, prototype_bound
from expunge.methods.group_sparse import GroupSparse
from expunge.methods.gs_lora import PUBLISHED
from expunge.methods.losses import bounded, prototype_divergence
from expunge.methods.protocol import Batch, Context, ForgetTask, Objective


@dataclass(frozen=True)
class GSLoRAPlusPlus(GroupSparse):
    """GS-LoRA's loss + w_f · ReLU(BND_pro - KL(z_f ‖ p)) + w_r · KL(z_r ‖ p); p = the class's original mean embedding.

    Attributes:
        prototype_forget: w_f, weight of the push away from the forgotten class's prototype.
        prototype_retain: w_r, weight of the pull towards the retained class's prototype.
        prototype_bound: BND_pro in nats; 0 derives it from the prototypes.
        ema_decay: Decay of the weight average, updated once an epoch.
        ema_start: Fraction of the training after which averaging begins.
    """

    prototype_forget: float = 1.0
    prototype_retain: float = 1.0
    prototype_bound: float = 0.0
    ema_decay: float = 0.9
    ema_start: float = 0.8

    name: ClassVar[str] = "gs-lora++"
    summary: ClassVar[str] = "GS-LoRA with prototypes of the original model and a weight average"
    source: ClassVar[str] = "Zhao et al., TPAMI, arXiv 2501.09705"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "published": {**PUBLISHED, "prototype_forget": 0.015, "prototype_retain": 0.015, "prototype_bound": 50.0}
    }
    needs_prototypes: ClassVar[bool] = True

    def objective(self, context: Context, task: ForgetTask) -> Objective:
        """GS-LoRA's data loss and the two prototype terms. Images of classes without a prototype have no such term."""
        model, prototypes = context.model, context.prototypes
        if prototypes is None:
            raise MethodError(f"{self.name} needs the original model's prototypes; none were given")
        bound = self.bound or forget_bound(model.head, len(model.classes))
        limit = self.prototype_bound or prototype_bound(prototypes)
        values, known = prototypes.values, prototypes.known

        def divergence(batch: Batch) -> Tensor:
            embedding, labels = batch.output.embedding, batch.labels
            rows = known.to(labels.device)[labels]
            if not bool(rows.any()):
                return embedding.sum() * 0.0
            return prototype_divergence(embedding[rows], values.to(labels.device)[labels[rows]])

        def loss(retain: Batch, forget: Batch) -> Tensor:
            retained = model.loss(retain.output.logits, retain.labels) + self.prototype_retain * divergence(retain)
            forgotten = self.beta * bounded(model.loss(forget.output.logits, forget.labels), bound)
            return retained + forgotten + self.prototype_forget * bounded(divergence(forget), limit)

        return loss

    def average(self, parameters: Sequence[Tensor]) -> WeightAverage | None:
        """A moving average over the last epochs."""
        return WeightAverage(parameters, decay=self.ema_decay, start=self.ema_start)
