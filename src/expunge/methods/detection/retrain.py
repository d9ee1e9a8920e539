"""The papers' 'Retrain' for detectors: draw encoder and decoder anew and learn the replay."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from expunge.methods import retrain
from expunge.methods.detection.budget import SceneBudget
from expunge.methods.detection.protocol import SceneBatch, SceneContext, SceneTask


@dataclass(frozen=True)
class Retrain(SceneBudget, retrain.Retrain[SceneContext, SceneTask, SceneBatch]):
    """Retrain with the set criterion for losses; see `expunge.methods.retrain`.

    Frozen are the backbone and the layers that make logits and boxes.
    """

    lr: float = 1e-3

    summary: ClassVar[str] = "draw encoder and decoder anew and train them on the small replay; not an oracle"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {"published": {"lr": 3e-4, "max_steps": 0}}
