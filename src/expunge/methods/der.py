"""DER: the replay's old logits are kept, and regressed on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from jaxtyping import Float
from pydantic import NonNegativeFloat
from torch import Tensor
from torch.nn import functional

from expunge.adapters import Tuned
from expunge.methods._losses import forget_term
from expunge.methods.fine_tuning import BlockTuning
from expunge.tasks import B, T


@dataclass(frozen=True)
class DER(BlockTuning[Any, T, B]):
    """β · ReLU(BND - L_forget) + α · mean (z - h(x))² on retained images; z = logits before the request (section 3).

    The labels of the replay are not used. The paper sums squares over the classes and its released code takes their
    mean; we follow the code, so that α does not depend on the number of classes. The paper stores logits along the
    training's trajectory; there is none for a pre-trained model, so z is what it says before the request.

    Attributes:
        logit_weight: α, per squared logit.
    """

    logit_weight: NonNegativeFloat = 0.5

    name: ClassVar[str] = "der"
    summary: ClassVar[str] = "bounded forgetting, with the old logits of retained images replayed"
    source: ClassVar[str] = "Buzzega et al., NeurIPS 2020, arXiv 2004.07211"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    needs_prototypes: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...]] = ("classification",)

    def objective(self, context: Any, task: T, weights: Tuned) -> Callable[[B, B], Tensor]:
        """The bounded forget loss and the regression on what was said of the replay before."""
        teacher = context.teacher(task)
        forgotten = forget_term(context, self.beta, self.bound)

        def loss(retain: B, forget: B) -> Tensor:
            error = self.error(context, *teacher.pair(retain))
            return forgotten(forget) + self.logit_weight * error

        return loss

    def error(self, context: Any, now: Any, old: Any) -> Float[Tensor, ""]:
        """What α weighs: the mean squared difference of the logits."""
        return functional.mse_loss(now.logits, old.logits)
