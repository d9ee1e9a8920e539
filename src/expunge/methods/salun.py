"""SalUn: random labels, learned by the weights alone that the forget loss depends on most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool
from torch import Tensor

from expunge.adapters import Tuned
from expunge.data import Images
from expunge.methods._settings import PositiveFraction
from expunge.methods.random_labels import RandomLabels
from expunge.tasks import ForgetTask
from expunge.tasks.classification import Context, make_batch


@dataclass(frozen=True)
class SalUn(RandomLabels):
    """θ = m ⊙ (θ_o + Δθ) + (1 - m) ⊙ θ_o, with Δθ from random relabelling and m = 1[|∇ L_forget(θ_o)| ≥ γ].

    γ is one threshold for all blocks together: by default the median of the gradients' magnitudes, as in the paper. The
    gradient is that of the mean loss over all forget images with their true labels. We rank the blocks' own parameters
    only, since nothing else is trained here. Weights outside the mask keep every bit.

    Attributes:
        salient: Fraction of the weights that may move; 0.5 is the paper's median.
    """

    salient: PositiveFraction = 0.5

    name: ClassVar[str] = "salun"
    summary: ClassVar[str] = "random relabelling of the weights most salient to the forget loss"
    source: ClassVar[str] = "Fan et al., ICLR 2024, arXiv 2310.12508"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    needs_prototypes: ClassVar[bool] = False

    def train(self, context: Context, task: ForgetTask[Images], weights: Tuned) -> None:
        """Trains the salient weights."""
        parameters, before = list(weights.parameters.values()), list(weights.before.values())
        masks = saliency_masks(forget_gradient(context, task, parameters), self.salient)

        @torch.no_grad()
        def put_back(done: float, lr: float) -> None:
            for parameter, mask, value in zip(parameters, masks, before, strict=True):
                parameter.copy_(torch.where(mask, parameter, value))

        self.fit(context, task, parameters, self.objective(context, task, weights), after_step=put_back)


def forget_gradient(context: Context, task: ForgetTask[Images], parameters: Sequence[Tensor]) -> list[Tensor]:
    """Gradient of the mean loss over all forget images, of the parameters' shapes."""
    total = [torch.zeros_like(parameter) for parameter in parameters]
    for indices in context.activations.batches(task.forget):
        batch = make_batch(task.forget, indices, context.activations.output(task.forget, indices))
        loss = context.model.loss(batch.output.logits, batch.labels) * (len(indices) / len(task.forget))
        for held, found in zip(total, torch.autograd.grad(loss, parameters, materialize_grads=True), strict=True):
            held.add_(found)
    return total


def saliency_masks(gradients: Sequence[Tensor], fraction: float) -> list[Bool[Tensor, "..."]]:
    """Masks of where a gradient's magnitude is among the largest `fraction` of all tensors' entries; ties are in."""
    magnitudes = torch.cat([gradient.abs().flatten() for gradient in gradients])
    wanted = max(1, round(fraction * magnitudes.numel()))
    threshold = magnitudes.kthvalue(magnitudes.numel() - wanted + 1).values
    return [gradient.abs() >= threshold for gradient in gradients]
