"""NegGrad+ for detectors: ascend on what the queries at the targets say, descend on the replay, with no bound."""

from dataclasses import dataclass
from typing import ClassVar

from expunge.methods import neg_grad
from expunge.methods.detection.budget import SceneBudget
from expunge.methods.detection.protocol import SceneBatch, SceneContext, SceneTask


@dataclass(frozen=True)
class NegGradPlus(SceneBudget, neg_grad.NegGradPlus[SceneContext, SceneTask, SceneBatch]):
    """NegGrad+ with the set criterion for losses; see `expunge.methods.neg_grad`.

    The paper has no detectors; L_forget is the criterion of the queries that answer for an object, as in the other
    methods here.
    """

    beta: float = 0.05

    summary: ClassVar[str] = "gradient ascent on forget scenes and descent on the replay, unbounded"
