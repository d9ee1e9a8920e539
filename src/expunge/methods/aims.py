"""What the closed form wants at each of its sites, read off the model before the request."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.methods.sensitivity import Rows, draw, sensitivities
from expunge.methods.sites import Gain, Site, gain
from expunge.methods.states import States
from expunge.vision import VisionModel

FEW, VERY_FEW = 32, 4
"""Images that sensitivities, and gains, are measured on."""


@dataclass(frozen=True, eq=False)
class Aim:
    """What is wanted at one site with t positions of width d.

    Attributes:
        mean: The mean over the retained classes of their mean residual streams, before the request.
        forget: The positions of forget images that count.
        retain: The positions of retained images that count.
        before: The retained images' residual streams at those positions, before the request.
        gain: How much of what the layer writes arrives in the residual stream.
    """

    mean: Float[Tensor, "t d"]
    forget: Rows
    retain: Rows
    before: Float[Tensor, "rows d"]
    gain: Gain


def find_aims(
    model: VisionModel, sites: Sequence[Site], forget: States, retain: States, *, rows: int, generator: torch.Generator
) -> dict[Site, Aim]:
    """Goes once through the unedited blocks.

    Args:
        model: The model before the request.
        sites: Consecutive sites, lowest first.
        forget: States at the entry of the first site's block.
        retain: The same of the classes that stay.
        rows: Positions of an image that count, at the most.
        generator: Draws positions and the signs behind sensitivities.
    """
    shares = sensitivities(model, sites[0].block, retain.spread(FEW).hidden, sites, generator=generator)
    aims = {}
    for site, share in zip(sites, shares, strict=True):
        seen = retain.look(model, site)
        kept = draw(share, len(retain), rows, generator)
        aims[site] = Aim(
            mean=class_means(seen.outputs, retain).mean(0),
            forget=draw(share, len(forget), rows, generator),
            retain=kept,
            before=kept.of(seen.outputs),
            gain=gain(model, site, retain.spread(VERY_FEW).hidden),
        )
        if seen.following is not None:
            retain = States(seen.following, retain.labels)
    return aims


def class_means(values: Float[Tensor, "n t d"], states: States) -> Float[Tensor, "classes t d"]:
    """The mean of each class that occurs, in ascending order."""
    numbers = states.numbers
    counts = numbers.bincount()
    sums = values.new_zeros(len(counts), *values.shape[1:]).index_add_(0, numbers, values)
    return sums / counts[:, None, None]
