"""Methods that hold each weight near its old value, the important ones harder: what L2, EWC and MAS share."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from expunge.adapters import Tuned
from expunge.data import Images
from expunge.methods.batches import shuffled_batches
from expunge.methods.comparison import forget_term, refuse_negative
from expunge.methods.fine_tuning import FineTuning
from expunge.methods.protocol import Batch, Context, ForgetTask, Objective
from expunge.methods.training import make_batch


@dataclass(frozen=True)
class ImportancePenalty(FineTuning, ABC):
    """L_retain + β · ReLU(BND - L_forget) + λ/2 · Σ Ω_i (θ_i - θ*_i)²; θ* = the weights before the request.

    Importances are scaled to a mean of 1 over all weights in training. The papers set λ anew for every problem, and
    this only moves the scale of λ: one λ then means the same for all three methods, heads and models.

    Attributes:
        strength: λ, in nats per unit of squared change of a weight of mean importance.
    """

    strength: float = 0.01

    def __post_init__(self) -> None:
        """Refuses settings that cannot work."""
        super().__post_init__()
        refuse_negative(self, "strength")

    @abstractmethod
    def importance(self, context: Context, task: ForgetTask, weights: Tuned) -> list[Tensor]:
        """Ω up to a factor: for each weight in training, in order, a tensor of its shape with entries of 0 or more."""

    def objective(self, context: Context, task: ForgetTask, weights: Tuned) -> Objective:
        """The replay's loss, the bounded forget loss, and the penalty."""
        importance = scaled_to_mean_one(self.importance(context, task, weights))
        now, before = list(weights.parameters.values()), list(weights.before.values())
        forgotten = forget_term(self, context)

        def loss(retain: Batch, forget: Batch) -> Tensor:
            retained = context.model.loss(retain.output.logits, retain.labels)
            return retained + forgotten(forget) + self.strength / 2 * weighted_change(importance, now, before)

        return loss


@dataclass(frozen=True)
class MeasuredImportance(ImportancePenalty, ABC):
    """An importance penalty whose importances are measured on the replay, image by image.

    Attributes:
        samples: Images of the replay, drawn at random, on which importance is measured; 0 takes all.
    """

    samples: int = 256

    def __post_init__(self) -> None:
        """Refuses settings that cannot work."""
        super().__post_init__()
        refuse_negative(self, "samples")

    def mean_over_images(
        self,
        context: Context,
        images: Images,
        weights: Tuned,
        *,
        of: Callable[[Batch], Tensor],
        each: Callable[[Tensor], Tensor],
    ) -> list[Tensor]:
        """Mean over single images of `each(∂ of / ∂ weight)`, a tensor of every weight's shape, in order.

        Image by image, as the square or magnitude of a batch's mean gradient would be something else.

        Args:
            context: The model and its cached activations; its seed draws the images.
            images: What to measure on.
            weights: The weights in training.
            of: Batch of one image -> the scalar whose gradient is taken.
            each: Applied to the gradient of every image, entry by entry.
        """
        parameters = list(weights.parameters.values())
        generator = torch.Generator().manual_seed(context.seed)
        drawn = next(shuffled_batches(len(images), self.samples or len(images), generator))
        totals = [torch.zeros_like(parameter) for parameter in parameters]
        for index in drawn:
            batch = make_batch(images, [index], context.activations.output(images, [index]))
            gradients = torch.autograd.grad(of(batch), parameters, materialize_grads=True)
            for total, gradient in zip(totals, gradients, strict=True):
                total += each(gradient)
        return [total / len(drawn) for total in totals]


def scaled_to_mean_one(importance: Sequence[Tensor]) -> list[Tensor]:
    """`importance` divided by the mean of all entries of all tensors; as it is where every entry is 0."""
    mean = sum(float(part.sum()) for part in importance) / sum(part.numel() for part in importance)
    return [part / mean if mean else part for part in importance]


def weighted_change(importance: Sequence[Tensor], now: Sequence[Tensor], before: Sequence[Tensor]) -> Tensor:
    """`Σ Ω_i (θ_i - θ*_i)²` over all entries of all tensors."""
    parts = [(o * (p - b).square()).sum() for o, p, b in zip(importance, now, before, strict=True)]
    return torch.stack(parts).sum()
