"""One model's features in the coordinates of another, as far as turning and scaling can take them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Turn:
    """The similarity y = (x - before) · rotation · scale + after that takes one model's features nearest to another's.

    Attributes:
        before: Mean of the features to take over.
        after: Mean of the features they are taken to.
        turning: Rotation, or reflection, times the scale.
    """

    before: Float[Tensor, " d"]
    after: Float[Tensor, " e"]
    turning: Float[Tensor, "d e"]

    def __call__(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
        """Features in the coordinates of the other model, in float64."""
        return (features.double() - self.before) @ self.turning + self.after


def fit_turn(features: Float[Tensor, "n d"], onto: Float[Tensor, "n e"]) -> Turn:
    """The similarity with the least squared error over `n` images, in float64.

    With U S Vᵀ the singular value decomposition of XᵀY, both about their means, the rotation is U Vᵀ and the scale
    tr S / ‖X‖². Unlike a regression it can make up nothing: what lay far apart stays so.
    Source: Schönemann and Carroll, "Fitting one matrix to another under choice of a central dilation and a rigid
    motion", Psychometrika 35 (1970).
    """
    x, y = features.double(), onto.double()
    before, after = x.mean(0), y.mean(0)
    size = float((x - before).square().sum())
    u, s, vt = torch.linalg.svd((x - before).T @ (y - after), full_matrices=False)
    return Turn(before, after, u @ vt * (float(s.sum()) / size if size > 0 else 0.0))
