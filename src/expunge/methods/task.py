"""What one request is, and what a method trains on: the values that methods for image classifiers pass around."""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Int
from torch import Tensor

from expunge.data import Images, Sample
from expunge.vision import Output


@dataclass(frozen=True)
class ForgetTask:
    """One request, as a method sees it.

    Attributes:
        targets: Indices of the classes to forget now.
        forgotten: Indices of the classes that earlier requests have taken.
        forget: Training images of `targets`.
        retain: Replay: training images of classes that stay; classes may be missing.
        validation: Held-out training images of `targets` and of the replayed classes; may be empty.
    """

    targets: tuple[int, ...]
    forgotten: tuple[int, ...]
    forget: Images
    retain: Images
    validation: Images


@dataclass(frozen=True, eq=False)
class Batch:
    """Images of one training step and what the model makes of them now.

    Attributes:
        samples: The images.
        labels: (n,) their classes.
        output: Embeddings and logits under the weights in training.
    """

    samples: tuple[Sample, ...]
    labels: Int[Tensor, " n"]
    output: Output


Objective = Callable[[Batch, Batch], Tensor]
"""(retain batch, forget batch) -> scalar data loss."""


@dataclass(frozen=True)
class Progress:
    """How far a method has come: `done` of `total` steps, and a word on what it is doing."""

    done: int
    total: int
    note: str = ""
