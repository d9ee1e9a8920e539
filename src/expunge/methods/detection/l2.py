"""L2 for detectors: every weight of encoder and decoder is pulled back to its old value alike."""

from dataclasses import dataclass

from expunge.data import Scenes
from expunge.methods import l2
from expunge.tasks.detection.batches import SceneBatch
from expunge.tasks.detection.budget import SceneBudget
from expunge.tasks.detection.context import SceneContext
from expunge.tasks.request import ForgetTask


@dataclass(frozen=True)
class L2(SceneBudget, l2.L2[SceneContext, ForgetTask[Scenes], SceneBatch]):
    """L2 with the set criterion for losses; see `expunge.methods.l2`."""
