"""NegGrad+: ascend on what is forgotten, descend on the replay, with no bound."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from expunge.adapters import Tuned
from expunge.methods.fine_tuning import BlockTuning, C
from expunge.methods.protocol import EVERY_TASK
from expunge.tasks import B, T


@dataclass(frozen=True)
class NegGradPlus(BlockTuning[C, T, B]):
    """L_retain - β · L_forget, the paper's α · L_retain - (1 - α) · L_forget with β = (1 - α) / α.

    Nothing bounds the ascent: as training goes on, the forget loss rises for ever, and the choice of the state on the
    validation split is what saves the model. α is there to be tuned; our default is 0.95. `bound`, which the
    other methods share, has no effect here. The paper has no detectors; there L_forget is the criterion of the queries
    that answer for an object, as in the other methods.

    Attributes:
        beta: Weight of the ascent.
        clip: Largest Euclidean norm of the whole gradient, beyond which it is scaled down; 0 leaves it alone.
    """

    beta: float = 0.05
    clip: NonNegativeFloat = 0.0

    name: ClassVar[str] = "neg-grad+"
    summary: ClassVar[str] = "gradient ascent on what is forgotten and descent on the replay, unbounded"
    source: ClassVar[str] = "Kurmanji et al., NeurIPS 2023, arXiv 2302.09880"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    needs_prototypes: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...]] = EVERY_TASK

    def objective(self, context: C, task: T, weights: Tuned) -> Callable[[B, B], Tensor]:
        """Loss on the replay minus the weighted loss on what is forgotten."""

        def loss(retain: B, forget: B) -> Tensor:
            return context.retain_loss(retain) - self.beta * context.forget_loss(forget)

        return loss

    def train(self, context: C, task: T, weights: Tuned) -> None:
        """Trains the blocks, the gradient clipped."""
        parameters = list(weights.parameters.values())

        def before_step() -> None:
            if self.clip:
                torch.nn.utils.clip_grad_norm_(parameters, self.clip)

        self.fit(context, task, parameters, self.objective(context, task, weights), before_step=before_step)
