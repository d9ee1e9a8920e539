"""Probabilities from logits that may be struck, infinite or no numbers at all."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

_FLOOR = -12.0  # log of about 6e-6: below it softmax says more of its arithmetic than of the image


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


def neighbour_features(logits: Float[Tensor, "n c"], classes: Sequence[int], count: int) -> Float[Tensor, "n f"]:
    """Log-probabilities of the most probable classes, highest first, then of all others together.

    Args:
        logits: One row an image.
        classes: The columns to look at, two at least; their probabilities are made to sum to 1.
        count: How many to give one by one; at least one is left for the others.

    Returns:
        (n, count + 1), or (n, classes) if that is less. Nothing is below -12.
    """
    ordered = among_retained(logits, classes).sort(1, descending=True).values
    kept = min(count, len(classes) - 1)
    return torch.cat([ordered[:, :kept], ordered[:, kept:].logsumexp(1, keepdim=True)], 1).clamp_min(_FLOOR)
