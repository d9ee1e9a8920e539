"""L2 for detectors: every weight of encoder and decoder is pulled back to its old value alike."""

from dataclasses import dataclass

from expunge.methods import l2
from expunge.methods.detection.budget import SceneBudget
from expunge.methods.detection.protocol import SceneBatch, SceneContext, SceneTask


@dataclass(frozen=True)
class L2(SceneBudget, l2.L2[SceneContext, SceneTask, SceneBatch]):
    """L2 with the set criterion for losses; see `expunge.methods.l2`."""
