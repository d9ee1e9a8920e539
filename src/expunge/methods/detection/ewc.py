"""EWC for detectors: weights are pulled back to their old values by the diagonal of the Fisher information."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from expunge.adapters import Tuned
from expunge.methods.detection.importance import SceneMeasuredImportance
from expunge.methods.detection.losses import retain_loss
from expunge.methods.detection.protocol import SceneBatch, SceneContext, SceneTask


@dataclass(frozen=True)
class EWC(SceneMeasuredImportance):
    """L_retain + β · ReLU(BND - L_forget) + λ/2 · Σ F_i (θ_i - θ*_i)² (eq. 3); F_i = mean of (∂L/∂θ_i)² over scenes.

    L is the set criterion with the true boxes. It is no log-likelihood, its box terms least of all, so F is a Fisher
    diagonal in name: the squared gradients of the loss that the detector was trained with.
    """

    name: ClassVar[str] = "ewc"
    summary: ClassVar[str] = (
        "bounded forgetting with elastic weights: a penalty weighted by the replay's Fisher diagonal"
    )
    source: ClassVar[str] = "Kirkpatrick et al., PNAS 2017, arXiv 1612.00796"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    needs_prototypes: ClassVar[bool] = False

    def importance(self, context: SceneContext, task: SceneTask, weights: Tuned) -> list[Tensor]:
        """Mean squared gradients of the set criterion on the replay."""

        def loss(one: SceneBatch) -> Tensor:
            return retain_loss(context.model, one)

        return self.mean_over_scenes(context, task.retain, weights, of=loss, each=torch.square)
