"""Views of a model on labelled images: the raw material of every measure."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Observed:
    """One model's answers on `n` labelled images, all on the CPU in float32.

    Attributes:
        embedding: What the classifier is given.
        logits: What the classifier makes of it, without any margin.
        labels: The true classes.
        layers: For each block of the model, lowest first, its output averaged over the tokens.
    """

    embedding: Float[Tensor, "n d"]
    logits: Float[Tensor, "n c"]
    labels: Int[Tensor, " n"]
    layers: tuple[Float[Tensor, "n _"], ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def among(self, classes: Collection[int]) -> Bool[Tensor, " n"]:
        """Mask of the images of `classes`."""
        return torch.isin(self.labels, torch.tensor(sorted(classes), dtype=self.labels.dtype))

    def only(self, classes: Collection[int]) -> "Observed":
        """The images of `classes`, order kept."""
        return self.select(self.among(classes))

    def select(self, rows: Tensor) -> "Observed":
        """Some rows, by index or by mask."""
        layers = tuple(layer[rows] for layer in self.layers)
        return Observed(self.embedding[rows], self.logits[rows], self.labels[rows], layers)


@dataclass(frozen=True, eq=False)
class View:
    """One model seen through the two sets of images that evidence works with.

    Attributes:
        attack: Images an attacker may learn from: training images of all classes, the forgotten ones included.
        test: Images that nobody has learnt from.
    """

    attack: Observed
    test: Observed

    @property
    def features(self) -> "View":
        """View that measures of features look at: this one."""
        return self


@runtime_checkable
class Viewed(Protocol):
    """One model's view of attack and test data in any task, a dataclass with a field `test`: what it makes of those."""

    @property
    def features(self) -> View:
        """Inputs and outputs of its classifier: one row an image, or an object."""
        ...
