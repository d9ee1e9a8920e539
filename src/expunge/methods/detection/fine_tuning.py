"""Methods of detectors alone that move whole weights; see `expunge.methods.fine_tuning`."""

from abc import ABC
from dataclasses import dataclass

from expunge.methods.detection.budget import SceneBudget
from expunge.methods.detection.protocol import SceneBatch, SceneContext, SceneTask
from expunge.methods.fine_tuning import BlockTuning


@dataclass(frozen=True)
class SceneFineTuning(SceneBudget, BlockTuning[SceneContext, SceneTask, SceneBatch], ABC):
    """Block tuning of detectors on scenes: encoder and decoder; the backbone and what chooses queries stay frozen."""
