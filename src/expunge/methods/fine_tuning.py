"""Methods that move whole weights: the blocks' own parameters are trained in place and the change becomes the edit.

What stands before the blocks stays frozen, and what makes logits and boxes of them, as in the published comparison,
which fixes the head for all methods.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import NonNegativeFloat
from torch import Tensor

from expunge.adapters import Edit, Tuned, tuned
from expunge.data import Images
from expunge.methods._checks import refuse_empty
from expunge.methods.training import Training
from expunge.tasks import B, ForgetTask, T, Trainable
from expunge.tasks.classification import Batch, Context
from expunge.vision import Wrapped

C = TypeVar("C", bound=Trainable[Any, Any])


@dataclass(frozen=True)
class BlockTuning(Training, ABC, Generic[C, T, B]):
    """Settings and training common to methods that fine-tune the blocks, of a context C, on requests T and batches B.

    Attributes:
        beta: Weight of the loss on what is forgotten, where a method has one.
        bound: The loss up to which it is pushed, where a method pushes; 0 derives it from the model's own loss.
    """

    lr: float = 1e-3
    beta: NonNegativeFloat = 0.25
    bound: NonNegativeFloat = 0.0

    @abstractmethod
    def objective(self, context: C, task: T, weights: Tuned) -> Callable[[B, B], Tensor]:
        """(retain batch, forget batch) -> data loss of one request; `weights` are those in training, and as before."""

    def forget(self, context: C, task: T) -> Edit:
        """Trains the blocks and returns the change of the state that the validation data liked best.

        Raises:
            MethodError: There is no image or scene of what is forgotten or of what stays.
        """
        refuse_empty(task)
        names = block_parameters(context.model, self.first_block(context.model))
        with tuned(context.model.module, names) as weights:
            self.train(context, task, weights)
            return weights.edit()

    def train(self, context: C, task: T, weights: Tuned) -> None:
        """Trains the blocks in place; for methods that do more than `fit` does."""
        self.fit(context, task, list(weights.parameters.values()), self.objective(context, task, weights))


@dataclass(frozen=True)
class FineTuning(BlockTuning[Context, ForgetTask[Images], Batch], ABC):
    """Block tuning of classifiers on images."""

    tasks: ClassVar[tuple[str, ...]] = ("classification",)


def block_parameters(model: Wrapped, first: int) -> tuple[str, ...]:
    """Qualified names of all parameters of the blocks from index `first` on."""
    insides = tuple(f"{block.name}." for block in model.blocks[first:])
    return tuple(name for name, _ in model.module.named_parameters() if name.startswith(insides))
