"""Pushes hidden states towards classes that are to go: where other images of theirs may lie that nobody has."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.methods._states import States, class_means
from expunge.vision import VisionModel


def scatter(states: States) -> float:
    """How far a state lies from its class's mean, on average, over classes of two states and more; 0 without one.

    A mean of k states is drawn towards each of them: a distance from it is too small by √((k − 1) / k).
    """
    flat = states.hidden.flatten(1).float()[:, None]
    counts = states.numbers.bincount()[states.numbers]
    far = (flat - class_means(flat, states)[states.numbers])[:, 0].norm(dim=1)[counts > 1]
    counts = counts[counts > 1]
    return float((far * (counts / (counts - 1)).sqrt()).mean()) if len(far) else 0.0


def pushed(
    model: VisionModel, entry: int, states: States, classes: Sequence[int], distances: Float[Tensor, " n"]
) -> States:
    """States at a distance from these, where the model gives `classes` more.

    Each goes in the direction in which the log-odds of `classes` grow fastest (Goodfellow et al., arXiv 1412.6572, with
    the L2 norm, on hidden states).

    Args:
        model: The model; none of its gradients is touched.
        entry: The block that the states enter.
        states: The states.
        classes: Towards which of the model's classes.
        distances: How far, in L2.
    """
    with torch.enable_grad():
        hidden = states.hidden.detach().clone().requires_grad_()
        logits = model.resume(hidden, entry).logits.float()
        chosen = torch.zeros(logits.shape[1], dtype=torch.bool, device=logits.device)
        chosen[list(classes)] = True
        odds = logits[:, chosen].logsumexp(1) - logits[:, ~chosen].logsumexp(1)
        (gradient,) = torch.autograd.grad(odds.sum(), hidden)
    steep = gradient.flatten(1).float().norm(dim=1).clamp(min=torch.finfo(torch.float32).tiny)
    step = (distances / steep).to(gradient.dtype).view(-1, *[1] * (gradient.dim() - 1))
    return States(states.hidden + step * gradient, states.labels)
