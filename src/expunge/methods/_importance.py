"""Methods that hold each weight near its old value, the important ones harder: what L2, EWC and MAS share."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from pydantic import NonNegativeFloat, NonNegativeInt
from torch import Tensor

from expunge.adapters import Tuned
from expunge.methods._losses import forget_term
from expunge.methods.fine_tuning import BlockTuning, C
from expunge.methods.training import shuffled_batches
from expunge.tasks import B, T


@dataclass(frozen=True)
class ImportancePenalty(BlockTuning[C, T, B], ABC):
    """L_retain + β · ReLU(BND - L_forget) + λ/2 · Σ Ω_i (θ_i - θ*_i)²; θ* = the weights before the request.

    Importances are scaled to a mean of 1 over all weights in training. The papers set λ anew for every problem, and
    this only moves the scale of λ: one λ then means the same for all three methods, heads and models.

    Attributes:
        strength: λ, in units of loss per squared change of a weight of mean importance.
    """

    strength: NonNegativeFloat = 0.01

    @abstractmethod
    def importance(self, context: C, task: T, weights: Tuned) -> list[Tensor]:
        """Ω up to a factor: for each weight in training, in order, a tensor of its shape with entries of 0 or more."""

    def objective(self, context: C, task: T, weights: Tuned) -> Callable[[B, B], Tensor]:
        """The replay's loss, the bounded forget loss, and the penalty."""
        importance = scaled_to_mean_one(self.importance(context, task, weights))
        now, before = list(weights.parameters.values()), list(weights.before.values())
        forgotten = forget_term(context, self.beta, self.bound)

        def loss(retain: B, forget: B) -> Tensor:
            penalty = self.strength / 2 * weighted_change(importance, now, before)
            return context.retain_loss(retain) + forgotten(forget) + penalty

        return loss


@dataclass(frozen=True)
class MeasuredImportance(ImportancePenalty[C, T, B], ABC):
    """An importance penalty whose importances are measured on the replay, one image or scene at a time.

    Attributes:
        samples: How much of the replay, drawn at random, on which importance is measured; 0 takes all.
    """

    samples: NonNegativeInt = 256

    def mean_over_replay(
        self,
        context: C,
        task: T,
        weights: Tuned,
        *,
        of: Callable[[B], Tensor],
        each: Callable[[Tensor], Tensor],
    ) -> list[Tensor]:
        """Mean over the replay of `each(∂ of / ∂ weight)`, a tensor of every weight's shape, in order.

        One image or scene at a time, as the square or magnitude of a batch's mean gradient would be something else.

        Args:
            context: The model and what training asks of it; its seed draws the images or scenes.
            task: The request.
            weights: The weights in training.
            of: Batch of one -> the scalar whose gradient is taken.
            each: Applied to every gradient, entry by entry.

        Raises:
            MethodError: Nothing is replayed.
        """
        parameters = list(weights.parameters.values())
        generator = torch.Generator().manual_seed(context.seed)
        drawn = next(shuffled_batches(len(task.retain), self.samples or len(task.retain), generator))
        replayed = (context.replayed(task, [index]) for index in drawn)
        return [total / len(drawn) for total in summed_gradients(replayed, parameters, of=of, each=each)]


def summed_gradients(
    batches: Iterable[B], parameters: Sequence[Tensor], *, of: Callable[[B], Tensor], each: Callable[[Tensor], Tensor]
) -> list[Tensor]:
    """Sum over batches of `each(∂ of / ∂ parameter)`, a tensor of every parameter's shape, in order."""
    totals = [torch.zeros_like(parameter) for parameter in parameters]
    for batch in batches:
        gradients = torch.autograd.grad(of(batch), parameters, materialize_grads=True)
        for total, gradient in zip(totals, gradients, strict=True):
            total += each(gradient)
    return totals


def scaled_to_mean_one(importance: Sequence[Tensor]) -> list[Tensor]:
    """`importance` divided by the mean of all entries of all tensors; as it is where every entry is 0."""
    mean = sum(float(part.sum()) for part in importance) / sum(part.numel() for part in importance)
    return [part / mean if mean else part for part in importance]


def weighted_change(importance: Sequence[Tensor], now: Sequence[Tensor], before: Sequence[Tensor]) -> Tensor:
    """`Σ Ω_i (θ_i - θ*_i)²` over all entries of all tensors."""
    parts = [(o * (p - b).square()).sum() for o, p, b in zip(importance, now, before, strict=True)]
    return torch.stack(parts).sum()
