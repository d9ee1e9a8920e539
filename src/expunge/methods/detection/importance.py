"""Methods that hold each weight near its old value, the important ones harder: what L2, EWC and MAS share."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from expunge.adapters import Tuned
from expunge.data import Scenes
from expunge.methods.batches import shuffled_batches
from expunge.methods.comparison import refuse_negative
from expunge.methods.detection.fine_tuning import SceneFineTuning
from expunge.methods.detection.losses import retain_loss
from expunge.methods.detection.protocol import SceneBatch, SceneContext, SceneObjective, SceneTask
from expunge.methods.detection.scene_batches import make_batch
from expunge.methods.importance import scaled_to_mean_one, weighted_change


@dataclass(frozen=True)
class SceneImportancePenalty(SceneFineTuning, ABC):
    """L_retain + β · ReLU(BND - L_forget) + λ/2 · Σ Ω_i (θ_i - θ*_i)²; θ* = the weights before the request.

    Importances are scaled to a mean of 1 over all weights in training, so that one λ means the same for all three
    methods; see `expunge.methods.importance`.

    Attributes:
        strength: λ, in units of loss per squared change of a weight of mean importance.
    """

    strength: float = 0.01

    def __post_init__(self) -> None:
        """Refuses settings that cannot work."""
        super().__post_init__()
        refuse_negative(self, "strength")

    @abstractmethod
    def importance(self, context: SceneContext, task: SceneTask, weights: Tuned) -> list[Tensor]:
        """Ω up to a factor: for each weight in training, in order, a tensor of its shape with entries of 0 or more."""

    def objective(self, context: SceneContext, task: SceneTask, weights: Tuned) -> SceneObjective:
        """The replay's loss, the bounded forget loss, and the penalty."""
        importance = scaled_to_mean_one(self.importance(context, task, weights))
        now, before = list(weights.parameters.values()), list(weights.before.values())
        forgotten = self.forgotten(context)

        def loss(retain: SceneBatch, forget: SceneBatch) -> Tensor:
            penalty = self.strength / 2 * weighted_change(importance, now, before)
            return retain_loss(context.model, retain) + forgotten(forget) + penalty

        return loss


@dataclass(frozen=True)
class SceneMeasuredImportance(SceneImportancePenalty, ABC):
    """An importance penalty whose importances are measured on the replay, scene by scene.

    Attributes:
        samples: Scenes of the replay, drawn at random, on which importance is measured; 0 takes all.
    """

    samples: int = 64

    def __post_init__(self) -> None:
        """Refuses settings that cannot work."""
        super().__post_init__()
        refuse_negative(self, "samples")

    def mean_over_scenes(
        self,
        context: SceneContext,
        scenes: Scenes,
        weights: Tuned,
        *,
        of: Callable[[SceneBatch], Tensor],
        each: Callable[[Tensor], Tensor],
    ) -> list[Tensor]:
        """Mean over single scenes of `each(∂ of / ∂ weight)`, a tensor of every weight's shape, in order.

        Scene by scene, as the square or magnitude of a batch's mean gradient would be something else.

        Args:
            context: The detector and what passes its cut; its seed draws the scenes.
            scenes: What to measure on.
            weights: The weights in training.
            of: Batch of one scene -> the scalar whose gradient is taken.
            each: Applied to the gradient of every scene, entry by entry.

        Raises:
            MethodError: There is no scene.
        """
        parameters = list(weights.parameters.values())
        generator = torch.Generator().manual_seed(context.seed)
        drawn = next(shuffled_batches(len(scenes), self.samples or len(scenes), generator))
        totals = [torch.zeros_like(parameter) for parameter in parameters]
        for index in drawn:
            batch = make_batch(scenes, [index], context.activations.output(scenes, [index]))
            gradients = torch.autograd.grad(of(batch), parameters, materialize_grads=True)
            for total, gradient in zip(totals, gradients, strict=True):
                total += each(gradient)
        return [total / len(drawn) for total in totals]
