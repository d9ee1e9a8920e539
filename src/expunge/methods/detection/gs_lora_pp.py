"""GS-LoRA++ for detectors: GS-LoRA, prototypes of matched queries, and a moving average of the weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from expunge.data import Scenes
from expunge.methods import gs_lora_pp
from expunge.methods.detection.gs_lora import PUBLISHED
from expunge.tasks.detection.batches import SceneBatch
from expunge.tasks.detection.budget import SceneBudget
from expunge.tasks.detection.context import SceneContext
from expunge.tasks.request import ForgetTask


@dataclass(frozen=True)
class GSLoRAPlusPlus(SceneBudget, gs_lora_pp.GSLoRAPlusPlus[SceneContext, ForgetTask[Scenes], SceneBatch]):
    """GS-LoRA++ with the set criterion for losses; see `expunge.methods.gs_lora_pp`.

    z are the features of the queries that answer for an object, matched as the criterion matches them. The released
    detectors are trained without a weight average, and without a pull of retained prototypes; so is the preset
    "published", where an average that starts at the very end is the weights themselves. Its BND_pro of 18 is for the
    other direction of the divergence, see `expunge.methods.losses.prototype_divergence`.
    """

    lr: float = 1e-2

    summary: ClassVar[str] = "GS-LoRA with prototypes of matched queries and a weight average"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "published": {
            **PUBLISHED,
            "prototype_forget": 0.005,
            "prototype_retain": 0.0,
            "prototype_bound": 18.0,
            "ema_start": 1.0,
        }
    }
