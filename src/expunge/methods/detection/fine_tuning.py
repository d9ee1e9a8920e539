"""Methods that move whole weights: the blocks' own parameters are trained in place and the change becomes the edit.

The backbone, what chooses queries, and the layers that make logits and boxes stay frozen, as the head does in the
published comparison.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from expunge.adapters import Edit, Tuned, tuned
from expunge.methods.comparison import refuse_negative
from expunge.methods.detection.losses import forget_term
from expunge.methods.detection.protocol import SceneBatch, SceneContext, SceneObjective, SceneTask
from expunge.methods.detection.training import SceneTraining
from expunge.vision.detection import DetectionModel


@dataclass(frozen=True)
class SceneFineTuning(SceneTraining, ABC):
    """Settings and training common to methods that fine-tune the blocks of encoder and decoder.

    Attributes:
        beta: Weight of the loss on forget scenes, where a method has one.
        bound: The loss up to which forget scenes are pushed, where a method pushes; 0 derives it from the set
            criterion, see `expunge.methods.detection.losses.forget_bound`.
    """

    beta: float = 0.5
    bound: float = 0.0

    def __post_init__(self) -> None:
        """Refuses settings that cannot work."""
        super().__post_init__()
        refuse_negative(self, "beta", "bound")

    @abstractmethod
    def objective(self, context: SceneContext, task: SceneTask, weights: Tuned) -> SceneObjective:
        """The data loss for one request; `weights` are those in training and their values before."""

    def forgotten(self, context: SceneContext) -> Callable[[SceneBatch], Tensor]:
        """Forget batch -> `beta · ReLU(BND - L_forget)`."""
        return forget_term(context.model, self.beta, self.bound)

    def forget(self, context: SceneContext, task: SceneTask) -> Edit:
        """Trains the blocks and returns the change of the state that the validation scenes liked best."""
        names = block_parameters(context.model, self.first_block(context.model))
        with tuned(context.model.module, names) as weights:
            objective = self.objective(context, task, weights)
            self.fit(context, task, list(weights.parameters.values()), objective)
            return weights.edit()


def block_parameters(model: DetectionModel, first: int) -> tuple[str, ...]:
    """Qualified names of all parameters of the blocks from index `first` on."""
    insides = tuple(f"{block.name}." for block in model.blocks[first:])
    return tuple(name for name, _ in model.module.named_parameters() if name.startswith(insides))
