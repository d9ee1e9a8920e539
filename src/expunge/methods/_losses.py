"""The losses of GS-LoRA and GS-LoRA++ (arXiv 2501.09705)."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from expunge.tasks import B, Trainable


def bounded(loss: Float[Tensor, ""], bound: float) -> Float[Tensor, ""]:
    """`ReLU(bound - loss)`: pushes `loss` up to `bound` and no further (eq. 5, selective forgetting)."""
    return functional.relu(bound - loss)


def forget_term(context: Trainable[Any, B], beta: float, bound: float) -> Callable[[B], Tensor]:
    """Forget batch -> `beta · ReLU(BND - L_forget)` (eq. 5); BND is derived where `bound` is 0.

    Here it takes the place of the new task's loss in every continual-learning method, each of which keeps its own way
    of holding on to what is known. In the released code of the published comparison (arXiv 2403.11530) these methods
    learn a random wrong label of each forget image instead, drawn anew at every look, by plain cross-entropy: BND plays
    no part there.
    """
    limit = bound or context.forget_bound()

    def term(forget: B) -> Tensor:
        return beta * bounded(context.forget_loss(forget), limit)

    return term


def prototype_divergence(embeddings: Float[Tensor, "n d"], prototypes: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """Mean over images of `KL(softmax(z) ‖ softmax(p))`, in nats: the direction of the paper's equation.

    The released code computes the other one, `KL(softmax(p) ‖ softmax(z))`, which has no upper end. This one ends where
    z is all in the entry that p holds least likely: at about 10 nats for a prototype of 512 entries of about N(0, 1).
    The softmax runs over the entries of the embedding, as in the released code (the paper's abstract speaks of logits).
    Row i of `prototypes` is the prototype of image i's class.
    """
    log_z = functional.log_softmax(embeddings, dim=1)
    log_p = functional.log_softmax(prototypes, dim=1)
    return functional.kl_div(log_p, log_z, reduction="batchmean", log_target=True)
