"""Probabilities from logits that may be struck, infinite or no numbers at all."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def log_probabilities(logits: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
    """Log-softmax in float64; of a row with a NaN or nothing finite it is uniform, for it says nothing.

    Args:
        logits: One row an image; minus infinity strikes a class.
    """
    logits = logits.double()
    silent = logits.isnan().any(1) | ~logits.isfinite().any(1) | (logits == torch.inf).any(1)
    return logits.masked_fill(silent[:, None], 0.0).log_softmax(1)


def among_retained(logits: Float[Tensor, "n c"], retain: Sequence[int]) -> Float[Tensor, "n r"]:
    """Log-probabilities of the retained classes given that it is one of them, whatever the head says of the others.

    Args:
        logits: One row an image, one column a class.
        retain: The columns to look at.
    """
    return log_probabilities(logits[:, list(retain)])
