"""The papers' 'Retrain': start the blocks anew and learn the replay. No oracle: it has no more data than the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from expunge.adapters import Edit, Tuned, tuned
from expunge.methods.fine_tuning import FineTuning, block_parameters
from expunge.methods.protocol import Batch, Context, ForgetTask, Objective


@dataclass(frozen=True)
class Retrain(FineTuning):
    """L_retain alone, from blocks that were drawn anew, for as many steps on as small a replay as every other method.

    The papers start faces from scratch and ImageNet from weights that know the forgotten classes. We draw the blocks
    anew for all, as it is their state that a request is about, and keep embeddings and classifier, which are frozen for
    every method. Each tensor is drawn from a normal distribution with its own mean and deviation, which suits any
    architecture and leaves two numbers a tensor of what was learned. `beta` and `bound`, which the other methods
    share, have no effect here.
    """

    name: ClassVar[str] = "retrain"
    summary: ClassVar[str] = "draw the blocks anew and train them on the small replay; not an oracle"
    source: ClassVar[str] = "Zhao et al., CVPR 2024, arXiv 2403.11530 (their baseline)"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {"published": {"lr": 3e-4}}
    needs_prototypes: ClassVar[bool] = False

    def objective(self, context: Context, task: ForgetTask, weights: Tuned) -> Objective:
        """The loss on the replay; the forget batch plays no part."""

        def loss(retain: Batch, forget: Batch) -> Tensor:
            return context.model.loss(retain.output.logits, retain.labels)

        return loss

    def forget(self, context: Context, task: ForgetTask) -> Edit:
        """Draws the blocks anew, trains them, and returns the change of the state that validation liked best."""
        names = block_parameters(context.model, self.first_block(context.model))
        with tuned(context.model.module, names) as weights:
            parameters = list(weights.parameters.values())
            redraw(parameters, torch.Generator().manual_seed(context.seed))
            self.fit(context, task, parameters, self.objective(context, task, weights))
            return weights.edit()


@torch.no_grad()
def redraw(parameters: Sequence[Tensor], generator: torch.Generator) -> None:
    """Replaces each tensor in place by normal numbers with its mean and standard deviation, drawn on the CPU."""
    for parameter in parameters:
        drawn = torch.randn(parameter.shape, generator=generator).to(parameter.device)
        values = parameter.float()
        parameter.copy_(values.mean() + values.std(correction=0) * drawn)
