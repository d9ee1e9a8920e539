"""MAS: weights are pulled back to their old values by how much the outputs depend on them."""

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
class MAS(MeasuredImportance[C, T, B]):
    """L_retain + β · ReLU(BND - L_forget) + λ/2 · Σ Ω_i (θ_i - θ*_i)²; Ω_i = mean of |∂‖F(x)‖²/∂θ_i| over images.

    F(x) are the logits, without labels (the paper's global variant). The paper may measure on any images; we take the
    replay, which holds what is to stay. Its λ has no factor of a half: ours is twice that. Of a detector F(x) are the
    logits of all queries; boxes, in other units, are left out, as the paper has none. A struck class, whose logit
    cannot move, adds nothing.
    """

    name: ClassVar[str] = "mas"
    summary: ClassVar[str] = "bounded forgetting with a penalty weighted by each weight's effect on the replay's logits"
    source: ClassVar[str] = "Aljundi et al., ECCV 2018, arXiv 1711.09601"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    needs_prototypes: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...]] = EVERY_TASK

    def importance(self, context: C, task: T, weights: Tuned) -> list[Tensor]:
        """Mean sensitivity of the squared length of the logits on the replay."""

        def squared_norm(one: B) -> Tensor:
            return one.output.logits.square().sum()

        return self.mean_over_replay(context, task, weights, of=squared_norm, each=torch.abs)
