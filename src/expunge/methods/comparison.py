"""What the rivals of the published comparison share: continual-learning methods turned into forgetting ones.

The comparison (GS-LoRA, arXiv 2403.11530) keeps each method's own way of holding on to what is known, and puts a loss
that forgets in the place of the new task's loss.
"""

from collections.abc import Callable

from torch import Tensor

from expunge.errors import MethodError
from expunge.methods.bounds import forget_bound
from expunge.methods.fine_tuning import FineTuning
from expunge.methods.losses import bounded
from expunge.methods.protocol import Batch, Context


def forget_term(method: FineTuning, context: Context) -> Callable[[Batch], Tensor]:
    """Forget batch -> `beta · ReLU(BND - L_forget)`, in nats, with the head's own loss (arXiv 2501.09705, eq. 5)."""
    model = context.model
    bound = method.bound or forget_bound(model.head, len(model.classes))

    def term(forget: Batch) -> Tensor:
        return method.beta * bounded(model.loss(forget.output.logits, forget.labels), bound)

    return term


def refuse_negative(method: object, *names: str) -> None:
    """Makes sure that the named settings are 0 or more.

    Raises:
        MethodError: One of them is negative.
    """
    for name in names:
        if getattr(method, name) < 0:
            raise MethodError(f"{name} must be 0 or more, got {getattr(method, name)}")
