"""EWC for detectors: weights are pulled back by the squared gradients of the set criterion."""

from dataclasses import dataclass

from expunge.data import Scenes
from expunge.methods import ewc
from expunge.tasks.detection.batches import SceneBatch
from expunge.tasks.detection.budget import SceneBudget
from expunge.tasks.detection.context import SceneContext
from expunge.tasks.request import ForgetTask


@dataclass(frozen=True)
class EWC(SceneBudget, ewc.EWC[SceneContext, ForgetTask[Scenes], SceneBatch]):
    """EWC with the set criterion for losses, importance measured scene by scene; see `expunge.methods.ewc`.

    The set criterion, with the true boxes, is no log-likelihood, its box terms least of all, so F is a Fisher diagonal
    in name: the squared gradients of the loss that the detector was trained with.
    """

    samples: int = 64
