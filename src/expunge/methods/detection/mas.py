"""MAS for detectors: weights are pulled back by how much the logits of all queries depend on them."""

from dataclasses import dataclass

from expunge.data import Scenes
from expunge.methods import mas
from expunge.tasks.detection.batches import SceneBatch
from expunge.tasks.detection.budget import SceneBudget
from expunge.tasks.detection.context import SceneContext
from expunge.tasks.request import ForgetTask


@dataclass(frozen=True)
class MAS(SceneBudget, mas.MAS[SceneContext, ForgetTask[Scenes], SceneBatch]):
    """MAS with the set criterion for losses, importance measured scene by scene; see `expunge.methods.mas`.

    F(x) are the logits of all queries. Boxes, in other units, are left out: the paper has none. A struck class, whose
    logit cannot move, adds nothing.
    """

    samples: int = 64
