"""DAMP: blind each FFN layer to the direction that only the forgotten class has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from pydantic import NonNegativeInt, PositiveFloat
from torch import Tensor

from expunge.adapters import Edit, LowRank
from expunge.data import Images
from expunge.methods._checks import refuse_empty
from expunge.methods._layer_inputs import has_class_token, image_inputs
from expunge.methods._settings import Settings
from expunge.methods.training import lowest_block
from expunge.tasks import ForgetTask, Progress
from expunge.tasks.classification import Context
from expunge.vision import VisionModel

NEGLIGIBLE = 1e-6
"""A residual shorter than this part of its prototype is rounding: the class has no direction of its own there."""


@dataclass(frozen=True)
class DAMP(Settings):
    """W ← W (I − s · Q Qᵀ) for every layer of the FFNs and main paths of blocks: a LoRA with one rank a class.

    Q is an orthonormal basis of the forget directions in the layer's input space: each forget class's prototype minus
    its projection on the span of the retained prototypes. A prototype is the mean over a class's images of the class
    token, or of all tokens where a model has none. All statistics are those of the model before the edit.

    The strength is s = strength · ramp · separability. We could not read the exact rule; the paper describes it as a
    depth ramp joined with the separability of a linear probe. Our reading: the ramp is (block + 1) / blocks over the
    whole model, and the separability is 2 · accuracy − 1 (at least 0) of a ridge classifier between forget and retained
    images, class-balanced and judged leave-one-out. Attention and head are left alone.

    Attributes:
        strength: Multiplies s; 1 is the paper's. A layer is blind to a direction at s = 1; above that it answers to it
            the other way round, and above s = 2 more loudly than before.
        last_blocks: Edit only this many of the last blocks; 0 edits all.
    """

    name: ClassVar[str] = "damp"
    summary: ClassVar[str] = "project FFN weights off the directions that only the forgotten classes have"
    source: ClassVar[str] = "Hatami et al., CVPR 2026 workshop, arXiv 2604.15166"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    needs_prototypes: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...]] = ("classification",)

    strength: PositiveFloat = 1.0
    last_blocks: NonNegativeInt = 0

    def first_block(self, model: VisionModel) -> int:
        """The lowest block edited."""
        return lowest_block(model, self.last_blocks)

    def forget(self, context: Context, task: ForgetTask[Images]) -> Edit:
        """Makes the projections; the model is read, never written.

        Raises:
            MethodError: There is no image of what is forgotten or of what stays.
        """
        refuse_empty(task)
        model, cache = context.model, context.activations
        class_token = has_class_token(model)
        forget_labels, retain_labels = torch.tensor(task.forget.labels), torch.tensor(task.retain.labels)
        deltas: dict[str, LowRank] = {}
        for number, block in enumerate(model.blocks):
            if number < self.first_block(model):
                continue
            # One block at a time: a row an image and layer of a large replay would not fit for all blocks at once.
            forget = image_inputs(cache, task.forget, block.linears, class_token=class_token)
            retain = image_inputs(cache, task.retain, block.linears, class_token=class_token)
            for name in forget:
                directions = forget_directions(
                    prototypes(forget[name], forget_labels), prototypes(retain[name], retain_labels)
                )
                rows = torch.cat([forget[name], retain[name]])
                ours = torch.arange(len(rows)) < len(forget[name])
                scale = self.strength * (number + 1) / len(model.blocks) * separability(rows, ours)
                if scale and directions.shape[1]:
                    layer = model.layer(name)
                    deltas[name] = projection(layer.matrix, directions, scale).laid_out(layer.weight)
            context.report(Progress(number + 1, len(model.blocks), block.name))
        return Edit(deltas=deltas)


def prototypes(rows: Float[Tensor, "n d"], labels: Int[Tensor, " n"]) -> Float[Tensor, "classes d"]:
    """The mean row of each class that is present, in the order of the class indices."""
    return torch.stack([rows[labels == label].mean(dim=0) for label in labels.unique()])


def forget_directions(forget: Float[Tensor, "f d"], retain: Float[Tensor, "r d"]) -> Float[Tensor, "d k"]:
    """Orthonormal basis of what forget prototypes have outside the span of retained ones; k is at most f.

    The residual of a prototype μ is μ − R R⁺ μ, with R the retained prototypes as columns.
    """
    residuals = forget - forget @ torch.linalg.pinv(retain) @ retain
    real = residuals.norm(dim=1) > NEGLIGIBLE * forget.norm(dim=1)
    directions = residuals[real] / residuals[real].norm(dim=1, keepdim=True)
    basis, triangle = torch.linalg.qr(directions.T)
    return basis[:, triangle.diagonal().abs() > NEGLIGIBLE]


def projection(weight: Float[Tensor, "out d"], directions: Float[Tensor, "d k"], scale: float) -> LowRank:
    """The change −s · W Q Qᵀ of a weight W."""
    b = -scale * weight.detach().cpu().to(torch.float64) @ directions
    return LowRank(directions.T.to(weight.dtype).contiguous(), b.to(weight.dtype).contiguous())


def separability(rows: Float[Tensor, "n d"], ours: Bool[Tensor, " n"]) -> float:
    """Separability of the rows of `ours` from the others by a line: 0 as a coin, 1 without an error.

    2 · balanced accuracy − 1 (at least 0) of a ridge classifier, each row judged by the classifier fitted without it.
    Leaving one out has a closed form: the prediction is y − (y − ŷ) / (1 − h) with h the row's leverage. A side with
    fewer than two rows cannot be judged so; the answer is then 1, which leaves the strength to the depth alone.
    """
    if min(int(ours.sum()), int((~ours).sum())) < 2:
        return 1.0
    shares = torch.where(ours, ours.sum(), (~ours).sum()).to(rows.dtype)
    weights = 0.5 / shares
    centred = rows - weights @ rows
    moments = centred.T @ (weights[:, None] * centred)
    ridge = 1e-2 * moments.diagonal().mean().clamp(min=torch.finfo(rows.dtype).tiny)
    x = torch.linalg.solve(moments + ridge * torch.eye(len(moments), dtype=rows.dtype), centred.T).T
    y = torch.where(ours, 1.0, -1.0).to(rows.dtype)
    fitted = x @ (centred.T @ (weights * y))
    leverage = weights * (x * centred).sum(dim=1) + weights  # the second term is the free intercept's
    left_out = y - (y - fitted) / (1 - leverage).clamp(min=NEGLIGIBLE)
    right = (left_out * y > 0).to(rows.dtype)
    accuracy = (right[ours].mean() + right[~ours].mean()) / 2
    return max(0.0, 2 * float(accuracy) - 1)
