"""MAS for detectors: weights are pulled back by how much the logits of all queries depend on them."""

from dataclasses import dataclass

from expunge.methods import mas
from expunge.methods.detection.budget import SceneBudget
from expunge.methods.detection.protocol import SceneBatch, SceneContext, SceneTask


@dataclass(frozen=True)
class MAS(SceneBudget, mas.MAS[SceneContext, SceneTask, SceneBatch]):
    """MAS with the set criterion for losses, importance measured scene by scene; see `expunge.methods.mas`.

    F(x) are the logits of all queries. Boxes, in other units, are left out: the paper has none. A struck class, whose
    logit cannot move, adds nothing.
    """

    samples: int = 64
