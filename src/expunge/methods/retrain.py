"""The papers' 'Retrain': start the blocks anew and learn the replay. No oracle: it has no more data than the others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from expunge.adapters import Tuned
from expunge.methods.fine_tuning import BlockTuning, C
from expunge.methods.protocol import EVERY_TASK
from expunge.tasks import B, T


@dataclass(frozen=True)
class Retrain(BlockTuning[C, T, B]):
    """L_retain alone, from blocks that were drawn anew, for as many steps on as small a replay as every other method.

    The papers start faces from scratch and ImageNet from weights that know the forgotten classes. We draw the blocks
    anew for all, as it is their state that a request is about, and keep embeddings and classifier, and of a detector
    the backbone and what makes logits and boxes, which are frozen for every method. Each tensor is drawn from a normal
    distribution with its own mean and deviation, which suits any architecture and leaves two numbers a tensor of what
    was learned. `beta` and `bound`, which the other methods share, have no effect here.
    """

    name: ClassVar[str] = "retrain"
    summary: ClassVar[str] = "draw the blocks anew and train them on the small replay; not an oracle"
    source: ClassVar[str] = "Zhao et al., CVPR 2024, arXiv 2403.11530 (their baseline)"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {"published": {"lr": 3e-4}}
    needs_prototypes: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...]] = EVERY_TASK

    def objective(self, context: C, task: T, weights: Tuned) -> Callable[[B, B], Tensor]:
        """The loss on the replay; the forget batch plays no part."""

        def loss(retain: B, forget: B) -> Tensor:
            return context.retain_loss(retain)

        return loss

    def train(self, context: C, task: T, weights: Tuned) -> None:
        """Draws the blocks anew, then trains them."""
        redraw(list(weights.parameters.values()), torch.Generator().manual_seed(context.seed))
        super().train(context, task, weights)


@torch.no_grad()
def redraw(parameters: Sequence[Tensor], generator: torch.Generator) -> None:
    """Replaces each tensor in place by normal numbers with its mean and standard deviation, drawn on the CPU."""
    for parameter in parameters:
        drawn = torch.randn(parameter.shape, generator=generator).to(parameter.device)
        values = parameter.float()
        parameter.copy_(values.mean() + values.std(correction=0) * drawn)
