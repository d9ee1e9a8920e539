"""Bounds of the forgetting loss, derived from the head and the prototypes so that nobody has to guess.

The published BND of 105 to 110 belongs to a CosFace head with scale 64 and 100 identities; on another head it means
something else or nothing. These rules say the same thing on every head.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from expunge.memory import Prototypes
from expunge.vision import ArcFaceHead, CosFaceHead, Head

BEYOND_CHANCE = 2.0
"""The forget loss is pushed to this many times its chance level: at chance itself a class may still win the argmax."""


def chance_loss(head: Head, classes: int) -> float:
    """Training loss, in nats, of a model that cannot tell `classes` classes apart (all logits equal).

    Softmax: ln C. CosFace with scale s and margin m: ln(1 + (C - 1) e^{sm}). ArcFace at a right angle, where
    cos(π/2 + m) = -sin m: ln(1 + (C - 1) e^{s sin m}).
    """
    match head:
        case CosFaceHead(scale=scale, margin=margin):
            lift = scale * margin
        case ArcFaceHead(scale=scale, margin=margin):
            lift = scale * math.sin(margin)
        case _:
            lift = 0.0
    return lift + math.log(math.exp(-lift) + classes - 1)


def forget_bound(head: Head, classes: int) -> float:
    """BND: the loss of forget images up to which they are pushed."""
    return BEYOND_CHANCE * chance_loss(head, classes)


def prototype_bound(prototypes: Prototypes) -> float:
    """BND_pro: the mean divergence between prototypes of two different classes, in nats.

    An image that lies as far from its own class's prototype as another class's prototype does has left its class.
    """
    rows = prototypes.values[prototypes.known]
    if len(rows) < 2:
        return 0.0
    divergences = pairwise_divergence(rows)
    return float(divergences.sum() / (len(rows) * (len(rows) - 1)))


def pairwise_divergence(rows: Float[Tensor, "n d"]) -> Float[Tensor, "n n"]:
    """Entry (i, j) is KL(softmax(row i) ‖ softmax(row j)), in nats."""
    logs = functional.log_softmax(rows.to(torch.float64), dim=1)
    probabilities = logs.exp()
    own = (probabilities * logs).sum(dim=1, keepdim=True)
    return own - probabilities @ logs.T
