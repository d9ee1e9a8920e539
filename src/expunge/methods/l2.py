"""L2: every weight is pulled back to its old value alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from expunge.adapters import Tuned
from expunge.methods._importance import ImportancePenalty
from expunge.methods.fine_tuning import C
from expunge.methods.protocol import EVERY_TASK
from expunge.tasks import B, T


@dataclass(frozen=True)
class L2(ImportancePenalty[C, T, B]):
    """L_retain + β · ReLU(BND - L_forget) + λ/2 · ‖θ - θ*‖²: the baseline of EWC's paper, all weights alike.

    Only the weights in training count; the head and the embeddings cannot move.
    """

    name: ClassVar[str] = "l2"
    summary: ClassVar[str] = "bounded forgetting with an L2 penalty on the change of the weights"
    source: ClassVar[str] = "the L2 baseline of Kirkpatrick et al., PNAS 2017, arXiv 1612.00796"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    needs_prototypes: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...]] = EVERY_TASK

    def importance(self, context: C, task: T, weights: Tuned) -> list[Tensor]:
        """One for every weight."""
        return [torch.ones_like(parameter) for parameter in weights.parameters.values()]
