"""EWC for detectors: weights are pulled back by the squared gradients of the set criterion."""

from dataclasses import dataclass

from expunge.methods import ewc
from expunge.methods.detection.budget import SceneBudget
from expunge.methods.detection.protocol import SceneBatch, SceneContext, SceneTask


@dataclass(frozen=True)
class EWC(SceneBudget, ewc.EWC[SceneContext, SceneTask, SceneBatch]):
    """EWC with the set criterion for losses, importance measured scene by scene; see `expunge.methods.ewc`.

    The set criterion, with the true boxes, is no log-likelihood, its box terms least of all, so F is a Fisher diagonal
    in name: the squared gradients of the loss that the detector was trained with.
    """

    samples: int = 64
