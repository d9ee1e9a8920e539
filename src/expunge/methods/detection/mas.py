"""MAS for detectors: weights are pulled back to their old values by how much the logits depend on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from expunge.adapters import Tuned
from expunge.methods.detection.importance import SceneMeasuredImportance
from expunge.methods.detection.protocol import SceneBatch, SceneContext, SceneTask


@dataclass(frozen=True)
class MAS(SceneMeasuredImportance):
    """L_retain + β · ReLU(BND - L_forget) + λ/2 · Σ Ω_i (θ_i - θ*_i)²; Ω_i = mean of |∂‖F(x)‖²/∂θ_i| over scenes.

    F(x) are the logits of all queries, without labels (the paper's global variant). Boxes, in other units, are left
    out: the paper has none. A struck class, whose logit cannot move, adds nothing. The paper's λ has no factor of a
    half: ours is twice that.
    """

    name: ClassVar[str] = "mas"
    summary: ClassVar[str] = "bounded forgetting with a penalty weighted by each weight's effect on the replay's logits"
    source: ClassVar[str] = "Aljundi et al., ECCV 2018, arXiv 1711.09601"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    needs_prototypes: ClassVar[bool] = False

    def importance(self, context: SceneContext, task: SceneTask, weights: Tuned) -> list[Tensor]:
        """Mean sensitivity of the squared length of all queries' logits on the replay."""

        def squared_norm(one: SceneBatch) -> Tensor:
            return one.output.logits.square().sum()

        return self.mean_over_scenes(context, task.retain, weights, of=squared_norm, each=torch.abs)
