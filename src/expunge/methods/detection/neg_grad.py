"""NegGrad+ for detectors: ascend on what the queries at the targets say, descend on the replay, with no bound."""

from dataclasses import dataclass
from typing import ClassVar

from expunge.data import Scenes
from expunge.methods import neg_grad
from expunge.tasks.detection.batches import SceneBatch
from expunge.tasks.detection.budget import SceneBudget
from expunge.tasks.detection.context import SceneContext
from expunge.tasks.request import ForgetTask


@dataclass(frozen=True)
class NegGradPlus(SceneBudget, neg_grad.NegGradPlus[SceneContext, ForgetTask[Scenes], SceneBatch]):
    """NegGrad+ with the set criterion for losses; see `expunge.methods.neg_grad`.

    The paper has no detectors; L_forget is the criterion of the queries that answer for an object, as in the other
    methods here.
    """

    beta: float = 0.05

    summary: ClassVar[str] = "gradient ascent on forget scenes and descent on the replay, unbounded"
