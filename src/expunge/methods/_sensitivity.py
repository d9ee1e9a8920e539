"""Sensitivity of the embedding to each position of the residual stream, and which positions to look at for it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from expunge.methods._sites import Site, heard
from expunge.vision import Positions, VisionModel, chosen


def sensitivities(
    model: VisionModel,
    entry: int,
    hidden: Float[Tensor, "n *hidden"],
    sites: Sequence[Site],
    *,
    generator: torch.Generator,
) -> list[Float[Tensor, " t"]]:
    """For each site the share of each position in the embedding's sensitivity, adding up to 1.

    The share is in proportion to the mean over images of ‖∂(vᵀz)/∂h_t‖², where z is the embedding, h_t the residual
    stream after the site's block at position t, and v random signs: on average over v that is ‖∂z/∂h_t‖² in the
    Frobenius norm (Hutchinson's estimator). A head that reads the class token alone gives the others nothing after the
    last block; a head that averages gives all of them the same.

    Args:
        model: The model.
        entry: The block that `hidden` enters.
        hidden: Some images.
        sites: The sites, in blocks from `entry` on.
        generator: Draws v.
    """
    with torch.enable_grad(), heard(model, sites) as outputs:
        embedding = model.resume(hidden.detach().requires_grad_(True), entry).embedding
        results = [outputs[site] for site in sites]
        signs = torch.randint(0, 2, tuple(embedding.shape), generator=generator).to(embedding) * 2 - 1
        slopes = torch.autograd.grad((embedding * signs).sum(), results)
    squares = [
        model.layer(site.layer).outputs(slope, len(hidden)).square().sum(-1).mean(0)
        for site, slope in zip(sites, slopes, strict=True)
    ]
    return [square / square.sum() for square in squares]


@dataclass(frozen=True, eq=False)
class Rows:
    """Positions of n images that stand for the rest.

    Attributes:
        positions: (n, k) indices of positions.
        weights: (n, k) what each counts; they add up to 1 for an image.
    """

    positions: Positions
    weights: Float[Tensor, "n k"]

    def of(self, values: Float[Tensor, "n t d"]) -> Float[Tensor, "nk d"]:
        """The values at the positions, one row each."""
        return chosen(values, self.positions).flatten(0, 1)

    def of_each(self, groups: Float[Tensor, "groups t d"], numbers: Int[Tensor, " n"]) -> Float[Tensor, "nk d"]:
        """The values of each image's group at its positions, one row each."""
        return groups[numbers[:, None], self.positions].flatten(0, 1)

    def split(self, size: int) -> list["Rows"]:
        """Those of the images in batches, in their order."""
        parts = zip(self.positions.split(size), self.weights.split(size), strict=True)
        return [Rows(positions, weights) for positions, weights in parts]

    def counted(self, shares: Float[Tensor, " n"]) -> Float[Tensor, " nk"]:
        """Weight of each row, given that of each image."""
        return (self.weights * shares[:, None]).flatten()


def draw(share: Float[Tensor, " t"], n: int, k: int, generator: torch.Generator) -> Rows:
    """All positions by their share where there are at most k, else k an image drawn in proportion to it."""
    if len(share) <= k:
        return Rows(torch.arange(len(share), device=share.device).expand(n, -1), share.expand(n, -1))
    drawn = torch.multinomial(share.cpu().expand(n, -1), k, replacement=True, generator=generator).to(share.device)
    return Rows(drawn, torch.full_like(drawn, 1 / k, dtype=share.dtype))
