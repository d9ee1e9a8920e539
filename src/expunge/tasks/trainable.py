"""Protocol of what training asks of a request, whatever the task: the seam between methods and tasks.

Methods that are one formula for classifiers and detectors are written once, against these protocols. `Context` and
`SceneContext` answer them, with images or with scenes.
"""

from collections.abc import Callable, Sequence, Sized
from typing import Protocol, TypeVar, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from expunge.memory import Prototypes
from expunge.tasks.request import Progress
from expunge.vision import Wrapped

Score = tuple[float, float]
"""H in percent on held-out data, then what breaks ties; greater is better."""


@runtime_checkable
class AnyOutput(Protocol):
    """Output of a model."""

    @property
    def logits(self) -> Tensor:
        """Logits of any shape."""
        ...


@runtime_checkable
class AnyBatch(Protocol):
    """Batch of a training step, and the model's output for it now."""

    @property
    def output(self) -> AnyOutput:
        """Output of the model under the weights in training."""
        ...


@runtime_checkable
class AnyTask(Protocol):
    """One request: training data of what goes and of what stays."""

    @property
    def forget(self) -> Sized:
        """The forget set."""
        ...

    @property
    def retain(self) -> Sized:
        """The retain set."""
        ...


T = TypeVar("T", bound=AnyTask)
B = TypeVar("B", bound=AnyBatch)
T_contra = TypeVar("T_contra", bound=AnyTask, contravariant=True)


@runtime_checkable
class Trainable(Protocol[T_contra, B]):
    """A model under one request, as training sees it; `T` is the request, `B` a batch."""

    @property
    def model(self) -> Wrapped:
        """The model as earlier edits left it."""
        ...

    @property
    def prototypes(self) -> Prototypes | None:
        """Class means under the original model, or None."""
        ...

    @property
    def seed(self) -> int:
        """Seeds every random choice of the method."""
        ...

    @property
    def report(self) -> Callable[[Progress], None]:
        """Called now and then with the progress."""
        ...

    def batches(self, task: T_contra, retain: Sequence[int], forget: Sequence[int]) -> tuple[B, B]:
        """Runs some of what stays and some of what goes in one forward pass, under the caller's grad mode."""
        ...

    def replayed(self, task: T_contra, indices: Sequence[int]) -> B:
        """Runs some of what stays alone, under the caller's grad mode."""
        ...

    def judge(self, task: T_contra, objective: Callable[[B, B], Tensor]) -> Callable[[], Score]:
        """Looks at the validation data now, and gives what scores the model against that at any later time."""
        ...

    def retain_loss(self, batch: B) -> Float[Tensor, ""]:
        """Loss on what stays: the one that the model was trained with."""
        ...

    def forget_loss(self, batch: B) -> Float[Tensor, ""]:
        """Loss on what goes, which is pushed up until it is forgotten."""
        ...

    def forget_bound(self) -> float:
        """BND where nobody says one; see `expunge.tasks.classification.bounds`."""
        ...

    def embedded(self, batch: B) -> tuple[Float[Tensor, "m d"], Int[Tensor, " m"]]:
        """Inputs of the classifier for each image or object, and its class."""
        ...
