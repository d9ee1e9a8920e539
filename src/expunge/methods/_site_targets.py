"""Aims of the closed form at each of its sites, read off the model before the request."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.methods._sensitivity import Rows, draw, sensitivities
from expunge.methods._sites import Gain, Site, gain
from expunge.methods._states import SeenRows, States
from expunge.vision import VisionModel

SENSITIVITY_IMAGES, GAIN_IMAGES = 32, 4
"""Images that sensitivities, and gains, are measured on."""


Target = Callable[[SeenRows, Rows, States, Float[Tensor, "retained t d"]], Float[Tensor, "nk d"]]
"""(forget images at a site, at which positions, which they are, retained classes' means), all before the request ->
where the images are to lie at the positions."""


@dataclass(frozen=True, eq=False)
class SiteTarget:
    """Aim at one site with t positions of width d.

    Attributes:
        mean: The mean over the retained classes of their mean residual streams, before the request.
        forget: The positions of forget images that count.
        retain: The positions of retained images that count.
        before: The retained images' residual streams at those positions, before the request.
        gain: How much of what the layer writes arrives in the residual stream.
        wanted: Where forget images are to lie at the positions that count; None where classes move as a whole, from
            wherever their means are by then.
    """

    mean: Float[Tensor, "t d"]
    forget: Rows
    retain: Rows
    before: Float[Tensor, "rows d"]
    gain: Gain
    wanted: Float[Tensor, "going d"] | None = None

    def away(self, seen: SeenRows, forget: States) -> Float[Tensor, "going d"]:
        """Displacement wanted of forget images, at the positions that count, from what they are now."""
        if self.wanted is not None:
            return self.wanted - seen.outputs
        return self.forget.of_each(self.mean - seen.means, forget.numbers)


def find_site_targets(
    model: VisionModel,
    sites: Sequence[Site],
    forget: States,
    retain: States,
    *,
    rows: int,
    generator: torch.Generator,
    target: Target | None = None,
) -> dict[Site, SiteTarget]:
    """Goes once through the unedited blocks.

    Args:
        model: The model before the request.
        sites: Consecutive sites, lowest first.
        forget: States at the entry of the first site's block.
        retain: The same of the classes that stay.
        rows: Positions of an image that count, at the most.
        generator: Draws positions and the signs behind sensitivities.
        target: Where forget images are to lie, if not where their class's mean is that of the classes that stay.
    """
    shares = sensitivities(model, sites[0].block, retain.spread(SENSITIVITY_IMAGES).hidden, sites, generator=generator)
    aims, going = {}, forget
    for site, share in zip(sites, shares, strict=True):
        kept, moved = (draw(share, len(states), rows, generator) for states in (retain, forget))
        seen = retain.look(model, site, kept, hold=0)
        wanted = None
        if target is not None:
            there = going.look(model, site, moved, hold=0)
            wanted = target(there, moved, forget, seen.means)
            going = going if there.following is None else States(there.following, forget.labels)
        aims[site] = SiteTarget(
            mean=seen.means.mean(0),
            forget=moved,
            retain=kept,
            before=seen.outputs,
            gain=gain(model, site, retain.spread(GAIN_IMAGES).hidden),
            wanted=wanted,
        )
        if seen.following is not None:
            retain = States(seen.following, retain.labels)
    return aims
