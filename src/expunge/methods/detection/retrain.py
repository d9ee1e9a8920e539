"""The papers' 'Retrain' for detectors: draw encoder and decoder anew and learn the replay."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from expunge.data import Scenes
from expunge.methods import retrain
from expunge.tasks.detection.batches import SceneBatch
from expunge.tasks.detection.budget import SceneBudget
from expunge.tasks.detection.context import SceneContext
from expunge.tasks.request import ForgetTask


@dataclass(frozen=True)
class Retrain(SceneBudget, retrain.Retrain[SceneContext, ForgetTask[Scenes], SceneBatch]):
    """Retrain with the set criterion for losses; see `expunge.methods.retrain`.

    Frozen are the backbone and the layers that make logits and boxes.
    """

    lr: float = 1e-3

    summary: ClassVar[str] = "draw encoder and decoder anew and train them on the small replay; not an oracle"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {"published": {"lr": 3e-4, "max_steps": 0}}
