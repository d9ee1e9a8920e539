"""Selective Synaptic Dampening: shrink the weights that matter for the forget images and hardly for the others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat
from torch import Tensor

from expunge.adapters import Edit, Tuned, tuned
from expunge.data import Images
from expunge.methods._checks import refuse_empty
from expunge.methods._importance import summed_gradients
from expunge.methods._search import keep_best
from expunge.methods._settings import Settings
from expunge.methods.fine_tuning import block_parameters
from expunge.methods.training import lowest_block, shuffled_batches
from expunge.tasks import ForgetTask
from expunge.tasks.classification import Context, make_batch
from expunge.vision import VisionModel

ALPHAS = (100.0, 50.0, 25.0, 10.0, 5.0, 2.5, 1.0)
"""Values to try where `alpha` is to be chosen: the published 10 and values around it.

Below 1 nothing more would happen with λ = 1, as no weight may grow."""


@dataclass(frozen=True)
class SSD(Settings):
    """θ ← min(λ · I_r / I_f, 1) · θ wherever I_f > α · I_r, with I the mean squared gradient of the loss.

    The paper compares the forget set with all of the training data; here it is compared with the replay, the only
    retained data that a request has. With all data, I_f / I could not exceed the number of images over the number of
    forget images, and α = 10 would select nothing in a request for a tenth of them. Only the blocks' parameters are
    dampened, as the comparison fixes head and embeddings.

    Attributes:
        alpha: α, how many times more a weight must matter for the forget images to be dampened; 0 tries `ALPHAS` and
            keeps the one that does best on the validation split.
        dampening: λ, how gently; with 1 a weight keeps the part I_r / I_f of itself.
        samples: Images of each set, drawn at random, on which importance is measured; 0 takes all.
        last_blocks: Dampen only this many of the last blocks; 0 takes all.
    """

    name: ClassVar[str] = "ssd"
    summary: ClassVar[str] = "dampen the weights that matter far more for the forget images, without training"
    source: ClassVar[str] = "Foster et al., AAAI 2024, arXiv 2308.07707"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {"published": {"alpha": 10.0, "dampening": 1.0}}
    needs_prototypes: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...]] = ("classification",)

    alpha: NonNegativeFloat = 0.0
    dampening: PositiveFloat = 1.0
    samples: NonNegativeInt = 256
    last_blocks: NonNegativeInt = 0

    def first_block(self, model: VisionModel) -> int:
        """The lowest block dampened."""
        return lowest_block(model, self.last_blocks)

    def forget(self, context: Context, task: ForgetTask[Images]) -> Edit:
        """Dampens the blocks' parameters.

        Raises:
            MethodError: There is no image of what is forgotten or of what stays.
        """
        refuse_empty(task)
        names = block_parameters(context.model, self.first_block(context.model))
        with tuned(context.model.module, names) as weights:
            forget = importance(context, task.forget, weights, self.samples)
            retain = importance(context, task.retain, weights, self.samples)

            def dampen(alpha: float) -> Callable[[], None]:
                def write() -> None:
                    for name, parameter in weights.parameters.items():
                        factor = dampening_factor(forget[name], retain[name], alpha, self.dampening)
                        parameter.copy_(factor * weights.before[name])

                return write

            candidates = [dampen(alpha) for alpha in ((self.alpha,) if self.alpha else ALPHAS)]
            keep_best(context, task, list(weights.parameters.values()), candidates)
            return weights.edit()


def importance(context: Context, images: Images, weights: Tuned, samples: int) -> dict[str, Tensor]:
    """Mean over single images of the squared gradient of the head's loss, for every open parameter (eq. 3).

    Image by image, the diagonal of the empirical Fisher matrix; the published code squares the mean gradient of a batch
    instead, which is faster and depends on the batch size.

    Args:
        context: The model; its seed draws the images.
        images: What to measure on.
        weights: The open parameters.
        samples: How many of the images to take, drawn at random; 0 takes all.
    """
    generator = torch.Generator().manual_seed(context.seed)
    drawn = next(shuffled_batches(len(images), samples or len(images), generator))
    means = summed_gradients(
        (make_batch(images, [index], context.activations.output(images, [index])) for index in drawn),
        list(weights.parameters.values()),
        of=lambda batch: context.model.loss(batch.output.logits, batch.labels),
        each=lambda gradient: gradient.square() / len(drawn),
    )
    return dict(zip(weights.parameters, means, strict=True))


def dampening_factor(forget: Tensor, retain: Tensor, alpha: float, dampening: float) -> Tensor:
    """Factor of each weight: min(λ · I_r / I_f, 1) where I_f > α · I_r, and 1 elsewhere (eq. 4 and 5)."""
    selected = forget > alpha * retain
    ratio = dampening * retain / torch.where(selected, forget, 1.0)
    return torch.where(selected, ratio.clamp(max=1.0), 1.0)
