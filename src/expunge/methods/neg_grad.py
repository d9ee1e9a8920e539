"""NegGrad+: ascend on the forget images, descend on the replay, with no bound."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from expunge.adapters import Edit, Tuned, tuned
from expunge.errors import MethodError
from expunge.methods.fine_tuning import FineTuning, block_parameters
from expunge.methods.protocol import Batch, Context, ForgetTask, Objective


@dataclass(frozen=True)
class NegGradPlus(FineTuning):
    """L_retain - β · L_forget, the paper's α · L_retain - (1 - α) · L_forget with β = (1 - α) / α.

    Nothing bounds the ascent: as training goes on, the forget loss rises for ever, and the choice of the state on the
    validation split is what saves the model. α is there to be tuned; our default is 0.95. `bound`, which the
    other methods share, has no effect here.

    Attributes:
        beta: Weight of the ascent.
        clip: Largest Euclidean norm of the whole gradient, beyond which it is scaled down; 0 leaves it alone.
    """

    beta: float = 0.05
    clip: float = 0.0

    name: ClassVar[str] = "neg-grad+"
    summary: ClassVar[str] = "gradient ascent on forget images and descent on the replay, unbounded"
    source: ClassVar[str] = "Kurmanji et al., NeurIPS 2023, arXiv 2302.09880"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    needs_prototypes: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuses settings that cannot work."""
        super().__post_init__()
        if self.clip < 0:
            raise MethodError(f"clip must be 0 (none) or a norm, got {self.clip}")

    def objective(self, context: Context, task: ForgetTask, weights: Tuned) -> Objective:
        """Loss on the replay minus the weighted loss on the forget images."""
        model = context.model

        def loss(retain: Batch, forget: Batch) -> Tensor:
            retained = model.loss(retain.output.logits, retain.labels)
            return retained - self.beta * model.loss(forget.output.logits, forget.labels)

        return loss

    def forget(self, context: Context, task: ForgetTask) -> Edit:
        """Trains the blocks and returns the change of the state that the validation split liked best."""
        names = block_parameters(context.model, self.first_block(context.model))
        with tuned(context.model.module, names) as weights:
            parameters = list(weights.parameters.values())

            def before_step() -> None:
                if self.clip:
                    torch.nn.utils.clip_grad_norm_(parameters, self.clip)

            self.fit(context, task, parameters, self.objective(context, task, weights), before_step=before_step)
            return weights.edit()
