"""FG-OrIU: orthogonality of features in the forward pass and of gradients in the backward pass."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn import functional

from expunge.adapters import Edit, LoRA, attached, to_edit
from expunge.data import Images
from expunge.methods._block_features import BlockFeatures, recorded
from expunge.methods._checks import refuse_empty
from expunge.methods._settings import PositiveFraction
from expunge.methods.training import Training
from expunge.tasks import ForgetTask
from expunge.tasks.classification import Batch, Context, Objective
from expunge.values import Block
from expunge.vision import VisionModel

Subspaces = Mapping[str, Tensor]
"""Name of a block -> (width, k) orthonormal columns."""


@dataclass(frozen=True)
class FGOrIU(Training):
    """L_retain + w_f Σ_blocks ‖Z_f P_f P_fᵀ‖_* + w_r Σ_blocks ‖Z_r (I − P_r P_rᵀ)‖_*, gradients projected off P_r.

    Rows of Z are the features of a batch's images after each block, of length 1 (class tokens, or the mean token where
    a model has none). P_f and P_r span the features of the forget set and of the replay under the model as the request
    found it, each holding `energy` of them. LoRA on both FFN layers; gradients of a LoRA matrix that faces the residual
    stream, A of an expanding layer and B of a contracting one, are projected off P_r. The released code folds the
    gradients of the other two matrices to the stream's width before it projects them, which means nothing
    geometrically; here they are free. Its retained term is a Frobenius norm; ours is the paper's nuclear norm. It
    counts energy in fourth powers of singular values, as it takes those of ZᵀZ and squares them, so its 0.99 keeps
    fewer directions. Its configuration asks for a learned choice of blocks (Gumbel-softmax), which its training leaves
    out. All blocks count, here as there, except that on ImageNet that code takes the last one alone.

    A method sees one request and keeps no state. P_r comes from the replay of what is still retained, so it contracts
    by itself from request to request. Earlier classes are indices without images, so their subspaces cannot be merged
    into P_f: what they lost stays in the weights, and nothing here asserts it anew.

    Attributes:
        rank: Rank of every LoRA layer.
        lora_alpha: LoRA's alpha; the change is scaled by lora_alpha / rank.
        energy: Part of the squared singular values that a subspace must hold, 0 to 1.
        forget_weight: w_f, pushes forget features off their subspace.
        retain_weight: w_r, keeps retained features on theirs.
    """

    name: ClassVar[str] = "fg-oriu"
    summary: ClassVar[str] = "LoRA that pushes forget features off their subspace, gradients off the retained one"
    source: ClassVar[str] = "Feng et al., ICCV 2025, arXiv 2601.13578"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "published": {
            "lora_alpha": 1.0,
            "epochs": 100,
            "max_steps": 0,
            "validate_every": 5,
            "batch_size": 48,
            "lr": 1e-2,
            "min_lr": 1e-5,
            "weight_decay": 0.05,
            "energy": 0.99,
            "forget_weight": 0.1,
            "retain_weight": 0.01,
        }
    }
    needs_prototypes: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...]] = ("classification",)

    rank: PositiveInt = 8
    lora_alpha: PositiveFloat = 8.0
    energy: PositiveFraction = 0.99
    forget_weight: NonNegativeFloat = 0.1
    retain_weight: NonNegativeFloat = 0.01

    def forget(self, context: Context, task: ForgetTask[Images]) -> Edit:
        """Trains the LoRA layers and returns the state that the validation split liked best.

        Raises:
            MethodError: There is no image of what is forgotten or of what stays.
        """
        refuse_empty(task)
        model = context.model
        blocks = model.blocks[self.first_block(model) :]
        names = [name for block in blocks for name in block.linears]
        with recorded(model, blocks) as features:
            forget, retain = self._subspaces(context, task, features)
            with attached(
                model.module, names, rank=self.rank, scale=self.lora_alpha / self.rank, seed=context.seed
            ) as layers:
                self.fit(
                    context,
                    task,
                    [matrix for layer in layers.values() for matrix in (layer.lora_a, layer.lora_b)],
                    self.objective(model, features, forget, retain),
                    before_step=_projection(blocks, layers, retain),
                )
                return to_edit(layers)

    def _subspaces(
        self, context: Context, task: ForgetTask[Images], features: BlockFeatures
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """P_f and P_r of every block."""
        found = []
        for images in (task.forget, task.retain):
            context.activations.outputs(images)
            rows = features.take(len(images))
            found.append({name: subspace(part, self.energy) for name, part in rows.items()})
        return found[0], found[1]

    def objective(self, model: VisionModel, features: BlockFeatures, forget: Subspaces, retain: Subspaces) -> Objective:
        """The retained loss and the two nuclear norms. The images must have gone through the model last, in order."""

        def loss(kept: Batch, gone: Batch) -> Tensor:
            total = model.loss(kept.output.logits, kept.labels)
            for name, rows in features.take(len(kept.labels) + len(gone.labels)).items():
                ours, theirs = functional.normalize(rows, dim=1).split([len(kept.labels), len(gone.labels)])
                total = total + self.forget_weight * inside(theirs, forget[name]).to(total.device)
                total = total + self.retain_weight * outside(ours, retain[name]).to(total.device)
            return total

        return loss


def subspace(features: Float[Tensor, "n d"], energy: float) -> Float[Tensor, "d k"]:
    """The fewest leading right singular vectors, as columns, that hold `energy` of the squared singular values."""
    _, values, vectors = torch.linalg.svd(features.to(torch.float64), full_matrices=False)
    held = values.square().cumsum(dim=0) / values.square().sum()
    k = min(int((held < energy).sum()) + 1, len(values))
    return vectors[:k].T.to(features.dtype)


def inside(features: Float[Tensor, "n d"], basis: Float[Tensor, "d k"]) -> Float[Tensor, ""]:
    """Nuclear norm (sum of singular values) of what of the features lies in a subspace."""
    return torch.linalg.matrix_norm(features @ basis, ord="nuc")


def outside(features: Float[Tensor, "n d"], basis: Float[Tensor, "d k"]) -> Float[Tensor, ""]:
    """Nuclear norm of what of the features lies outside a subspace."""
    return torch.linalg.matrix_norm(features - features @ basis @ basis.T, ord="nuc")


def _projection(blocks: Sequence[Block], layers: Mapping[str, LoRA], retain: Subspaces) -> Callable[[], None]:
    def project() -> None:
        for block in blocks:
            basis = retain[block.name]
            for name in block.linears:
                project_gradients(layers[name], basis)

    return project


@torch.no_grad()
def project_gradients(layer: LoRA, basis: Float[Tensor, "d k"]) -> None:
    """Takes the part inside the subspace out of the gradients of those matrices of a layer that have a side of d."""
    a, b = layer.lora_a.grad, layer.lora_b.grad
    if a is not None and a.shape[1] == len(basis):
        rows = a.movedim(1, -1)
        a -= (rows @ basis @ basis.T).movedim(-1, 1)
    if b is not None and len(b) == len(basis):
        b -= (basis @ (basis.T @ b.flatten(1))).view_as(b)
