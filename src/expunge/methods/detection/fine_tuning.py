"""Methods of detectors alone that move whole weights; see `expunge.methods.fine_tuning`."""

from abc import ABC
from dataclasses import dataclass

from expunge.data import Scenes
from expunge.methods.fine_tuning import BlockTuning
from expunge.tasks.detection.batches import SceneBatch
from expunge.tasks.detection.budget import SceneBudget
from expunge.tasks.detection.context import SceneContext
from expunge.tasks.request import ForgetTask


@dataclass(frozen=True)
class SceneFineTuning(SceneBudget, BlockTuning[SceneContext, ForgetTask[Scenes], SceneBatch], ABC):
    """Block tuning of detectors on scenes: encoder and decoder; the backbone and what chooses queries stay frozen."""
