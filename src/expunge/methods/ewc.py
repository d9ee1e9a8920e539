"""EWC: weights are pulled back to their old values by the diagonal of the Fisher information."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from expunge.adapters import Tuned
from expunge.methods._importance import MeasuredImportance
from expunge.methods.fine_tuning import C
from expunge.methods.protocol import EVERY_TASK
from expunge.tasks import B, T


@dataclass(frozen=True)
class EWC(MeasuredImportance[C, T, B]):
    """L_retain + β · ReLU(BND - L_forget) + λ/2 · Σ F_i (θ_i - θ*_i)² (eq. 3); F_i = mean of (∂L/∂θ_i)² over images.

    The paper takes the Fisher information on the old task's data; that is the replay here. It leaves open which labels
    count: we take the true ones and the head's own loss with its margin. A well-trained model is so sure of its replay
    that labels drawn from it would be the same ones, with gradients near zero where the margin is left out. The set
    criterion of a detector, with the true boxes, is no log-likelihood, its box terms least of all, so there F is a
    Fisher diagonal in name: the squared gradients of the loss that the detector was trained with.
    """

    name: ClassVar[str] = "ewc"
    summary: ClassVar[str] = (
        "bounded forgetting with elastic weights: a penalty weighted by the replay's Fisher diagonal"
    )
    source: ClassVar[str] = "Kirkpatrick et al., PNAS 2017, arXiv 1612.00796"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    needs_prototypes: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...]] = EVERY_TASK

    def importance(self, context: C, task: T, weights: Tuned) -> list[Tensor]:
        """The diagonal of the empirical Fisher information on the replay."""
        return self.mean_over_replay(context, task, weights, of=context.retain_loss, each=torch.square)
