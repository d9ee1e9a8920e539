"""Classifiers that stand on a backbone, and the search for the one a model has."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from expunge.errors import HeadError
from expunge.values import Block
from expunge.vision.prompts import Prompts

POOLINGS = ("cls", "mean", "pooler", "projected")
_FIELDS = {"pooler": "pooler_output", "projected": "image_embeds"}
"""Poolings that the backbone does itself, and where it puts the result."""


class CosineClassifier(nn.Module):
    """Scaled cosines between an embedding and one direction a class.

    Attributes:
        weight: One direction a class, of shape (classes, d). A row of zeros gives the bias alone.
        bias: Added to the scaled cosines; zeros, until an edit says otherwise.
        scale: What cosines are multiplied by.
    """

    bias: Tensor

    def __init__(self, d: int, classes: int, scale: float = 64.0) -> None:
        """Starts with random directions for embeddings of width `d`."""
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, d))
        self.register_buffer("bias", torch.zeros(classes))
        self.scale = scale

    def forward(self, embedding: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        """Logits without any margin."""
        cosines = functional.linear(functional.normalize(embedding, dim=-1), functional.normalize(self.weight, dim=-1))
        return self.scale * cosines + self.bias


class HeadedBackbone(nn.Module):
    """A transformers backbone with a classifier of its own.

    Attributes:
        backbone: Gives `last_hidden_state`, and what `pooling` asks for.
        pooling: How one embedding an image is made: "cls" takes the first token, "mean" the average of the
            other tokens, "pooler" the backbone's own pooling (`pooler_output`), "projected" its own pooling and
            projection (`image_embeds`, as CLIP has them).
        classifier: A `CosineClassifier`, or an `nn.Linear` for a softmax head.
        prompts: What made the classifier's rows from class names; None where they were trained.
    """

    def __init__(
        self, backbone: nn.Module, pooling: str, classifier: nn.Module, prompts: Prompts | None = None
    ) -> None:
        """Puts a classifier on a backbone.

        Raises:
            HeadError: `pooling` is unknown.
        """
        super().__init__()
        if pooling not in POOLINGS:
            raise HeadError(f"Expected pooling {', '.join(POOLINGS)}; got {pooling!r}.")
        self.backbone = backbone
        self.pooling = pooling
        self.classifier = classifier
        self.prompts = prompts

    def forward(self, pixel_values: Float[Tensor, "n ch h w"]) -> Float[Tensor, "n c"]:
        """Logits without any margin."""
        return self.classifier(self._pool(self.backbone(pixel_values)))

    def _pool(self, output: object) -> Tensor:
        pooled = getattr(output, _FIELDS.get(self.pooling, "last_hidden_state"), None)
        wanted = 2 if self.pooling in _FIELDS else 3
        if not isinstance(pooled, Tensor) or pooled.ndim != wanted:
            came = f"shape {tuple(pooled.shape)}" if isinstance(pooled, Tensor) else "nothing"
            raise HeadError(
                f"Pooling {self.pooling!r} needs a tensor of {wanted} dimensions from "
                f"{type(self.backbone).__name__}, but there was {came}. Try another pooling."
            )
        if self.pooling in _FIELDS:
            return pooled
        return pooled[:, 0] if self.pooling == "cls" else pooled[:, 1:].mean(1)


def find_head(module: nn.Module, classes: int, blocks: Sequence[Block]) -> str:
    """Name of the classifier: the last leaf module outside the blocks whose weight has one row a class.

    Raises:
        HeadError: There is none; the message names the last weight matrices found.
    """
    insides = tuple(f"{block.name}." for block in blocks)
    leaves = {name: leaf for name, leaf in module.named_modules() if not name.startswith(insides)}
    shapes = {name: shape for name, leaf in leaves.items() if (shape := _matrix_shape(leaf)) is not None}
    named = [name for name, shape in shapes.items() if shape[0] == classes]
    if named:
        return named[-1]
    found = ", ".join(f"{name} {shape}" for name, shape in list(shapes.items())[-3:]) or "none"
    raise HeadError(
        f"Expected {type(module).__name__} to have a classifier with one row a class, {classes} in all; "
        f"the last weight matrices outside its blocks are: {found}. Check the list of classes."
    )


def _matrix_shape(leaf: nn.Module) -> tuple[int, ...] | None:
    weight = getattr(leaf, "weight", None)
    if not isinstance(weight, Tensor) or weight.ndim != 2 or next(leaf.children(), None) is not None:
        return None
    return tuple(weight.shape)
