"""Methods that move whole weights: the blocks' own parameters are trained in place and the change becomes the edit.

Embeddings and the classifier stay frozen, as in the published comparison, which fixes the head for all methods.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from expunge.adapters import Edit, Tuned, tuned
from expunge.methods.protocol import Context, ForgetTask, Objective
from expunge.methods.training import Training
from expunge.vision import VisionModel


@dataclass(frozen=True)
class FineTuning(Training, ABC):
    """Settings and training common to methods that fine-tune the blocks.

    Attributes:
        beta: Weight of the loss on forget images, where a method has one.
        bound: The loss up to which forget images are pushed, where a method pushes; 0 derives it from the head.
    """

    lr: float = 1e-3
    beta: float = 0.25
    bound: float = 0.0

    @abstractmethod
    def objective(self, context: Context, task: ForgetTask, weights: Tuned) -> Objective:
        """The data loss for one request; `weights` are those in training and their values before."""

    def forget(self, context: Context, task: ForgetTask) -> Edit:
        """Trains the blocks and returns the change of the state that the validation split liked best."""
        names = block_parameters(context.model, self.first_block(context.model))
        with tuned(context.model.module, names) as weights:
            objective = self.objective(context, task, weights)
            self.fit(context, task, list(weights.parameters.values()), objective)
            return weights.edit()


def block_parameters(model: VisionModel, first: int) -> tuple[str, ...]:
    """Qualified names of all parameters of the blocks from index `first` on."""
    insides = tuple(f"{block.name}." for block in model.blocks[first:])
    return tuple(name for name, _ in model.module.named_parameters() if name.startswith(insides))
