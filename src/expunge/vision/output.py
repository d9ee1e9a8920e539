"""Output of one forward pass, and how it is read from whatever a module returns."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.errors import HeadError


@dataclass(frozen=True, slots=True)
class Output:
    """One forward pass over `n` images.

    Attributes:
        embedding: What the classifier was given, `d` numbers an image.
        logits: What the classifier made of it, one number a class.
    """

    embedding: Float[Tensor, "n d"]
    logits: Float[Tensor, "n c"]


def read_output(returned: object, calls: list[tuple[Tensor, object]], head: str) -> Output:
    """Pairs the logits a module returned with the embedding its classifier was given.

    Args:
        returned: What the module returned: the logits, or an object with `.logits` as in transformers.
        calls: Input and output of each call of the classifier during this forward pass.
        head: Name of the classifier, for messages.

    Raises:
        HeadError: There are no logits, or they are not what the classifier gave, so an edit of the
            classifier or of the embedding would not mean what it says.
    """
    logits = returned if isinstance(returned, Tensor) else getattr(returned, "logits", None)
    if not isinstance(logits, Tensor):
        raise HeadError(
            "Expected the model to return logits as a tensor or as `.logits`, "
            f"but it returned {type(returned).__name__}."
        )
    if len(calls) != 1:
        raise HeadError(
            f"Expected the classifier {head!r} to be called once a forward pass; it was called {len(calls)} times."
        )
    embedding, given = calls[0]
    if embedding.ndim != 2:
        raise HeadError(
            f"Expected the classifier {head!r} to be given one embedding an image, of shape (n, d), "
            f"but it was given shape {tuple(embedding.shape)}."
        )
    if not isinstance(given, Tensor) or not _same(given, logits):
        raise HeadError(
            f"The model's logits are not the output of its classifier {head!r}: something changes them "
            "afterwards, or a second classifier has a part in them. "
            "Wrap the model so that it returns the output of one classifier."
        )
    return Output(embedding, logits)


def _same(given: Tensor, logits: Tensor) -> bool:
    """Whether two tensors hold the same numbers; a change of dtype is allowed."""
    if given is logits:
        return True
    return given.shape == logits.shape and torch.equal(given.detach().to(logits.dtype), logits.detach())
