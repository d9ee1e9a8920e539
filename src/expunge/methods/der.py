"""DER: the replay's old logits are kept, and regressed on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import NonNegativeFloat
from torch import Tensor
from torch.nn import functional

from expunge.adapters import Tuned
from expunge.data import Images
from expunge.methods.fine_tuning import FineTuning
from expunge.methods.losses import forget_term
from expunge.tasks import ForgetTask
from expunge.tasks.classification import Batch, Context, Objective, Teacher


@dataclass(frozen=True)
class DER(FineTuning):
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

    def objective(self, context: Context, task: ForgetTask[Images], weights: Tuned) -> Objective:
        """The bounded forget loss and the regression on the replay's old logits."""
        teacher = Teacher(context, task)
        forgotten = forget_term(context, self.beta, self.bound)

        def loss(retain: Batch, forget: Batch) -> Tensor:
            error = functional.mse_loss(retain.output.logits, teacher.output(retain).logits)
            return forgotten(forget) + self.logit_weight * error

        return loss
