"""GS-LoRA++ for detectors: GS-LoRA, prototypes of matched queries, and a moving average of the weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from expunge.errors import MethodError
from expunge.memory import Prototypes
from expunge.methods.average import WeightAverage
from expunge.methods.bounds import prototype_bound
from expunge.methods.comparison import refuse_negative
from expunge.methods.detection.group_sparse import SceneGroupSparse
from expunge.methods.detection.gs_lora import PUBLISHED
from expunge.methods.detection.losses import forget_term, retain_loss
from expunge.methods.detection.protocol import SceneBatch, SceneContext, SceneObjective, SceneTask
from expunge.methods.losses import bounded, prototype_divergence
from expunge.vision.detection import DetectionModel, matched


@dataclass(frozen=True)
class GSLoRAPlusPlus(SceneGroupSparse):
    """GS-LoRA's loss + w_f · ReLU(BND_pro - KL(z_f ‖ p)) + w_r · KL(z_r ‖ p); p = the class's original mean feature.

    z are the features of the queries that answer for an object, matched as the criterion matches them.

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
    summary: ClassVar[str] = "GS-LoRA with prototypes of matched queries and a weight average"
    source: ClassVar[str] = "Zhao et al., TPAMI, arXiv 2501.09705"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "published": {**PUBLISHED, "prototype_forget": 0.005, "prototype_retain": 0.005}
    }
    needs_prototypes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuses settings that cannot work."""
        super().__post_init__()
        refuse_negative(self, "prototype_forget", "prototype_retain", "prototype_bound")
        for name in ("ema_decay", "ema_start"):
            if not 0 <= getattr(self, name) <= 1:
                raise MethodError(f"{name} is a fraction, 0 to 1, got {getattr(self, name)}")

    def objective(self, context: SceneContext, task: SceneTask) -> SceneObjective:
        """GS-LoRA's data loss and the two prototype terms. Objects of classes without a prototype have no such term.

        Raises:
            MethodError: The context has no prototypes.
        """
        model, prototypes = context.model, context.prototypes
        if prototypes is None:
            raise MethodError(f"{self.name} needs the original detector's prototypes; none were given")
        limit = self.prototype_bound or prototype_bound(prototypes)
        forgotten = forget_term(model, self.beta, self.bound)

        def loss(retain: SceneBatch, forget: SceneBatch) -> Tensor:
            kept = self.prototype_retain * divergence(model, prototypes, retain)
            gone = self.prototype_forget * bounded(divergence(model, prototypes, forget), limit)
            return retain_loss(model, retain) + kept + forgotten(forget) + gone

        return loss

    def average(self, parameters: Sequence[Tensor]) -> WeightAverage | None:
        """A moving average over the last epochs."""
        return WeightAverage(parameters, decay=self.ema_decay, start=self.ema_start)


def divergence(model: DetectionModel, prototypes: Prototypes, batch: SceneBatch) -> Float[Tensor, ""]:
    """Mean over objects of `KL(softmax(z) ‖ softmax(p))` in nats; 0 where no object's class has a prototype."""
    found = matched(batch.output, batch.targets, model.criterion.match(batch.output, batch.targets))
    rows = prototypes.known.to(found.labels.device)[found.labels]
    if not bool(rows.any()):
        return batch.output.features.sum() * 0.0
    return prototype_divergence(found.features[rows], prototypes.values.to(rows.device)[found.labels[rows]])
