"""Output of one forward pass of a detector."""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

Kind = Literal["softmax", "sigmoid"]
"""Activation of the logits: one softmax over all classes and a last row for "no object", or a sigmoid each."""


@dataclass(frozen=True, slots=True)
class DetectionOutput:
    """One forward pass over `n` images with `q` queries each.

    Attributes:
        features: What the layer that makes the logits was given, `d` numbers a query.
        logits: What it made of it; one number a class, and a last one for "no object" where `kind` is "softmax".
        boxes: Centre x, centre y, width and height as shares of the image's width and height.
        kind: What the logits are.
    """

    features: Float[Tensor, "n q d"]
    logits: Float[Tensor, "n q rows"]
    boxes: Float[Tensor, "n q 4"]
    kind: Kind

    def __len__(self) -> int:
        return len(self.logits)

    @property
    def probabilities(self) -> Float[Tensor, "n q c"]:
        """The probability of each class at each query; "no object" is left out."""
        return self.logits.softmax(-1)[..., :-1] if self.kind == "softmax" else self.logits.sigmoid()

    @property
    def class_logits(self) -> Float[Tensor, "n q c"]:
        """The logits of the classes alone."""
        return self.logits[..., :-1] if self.kind == "softmax" else self.logits
