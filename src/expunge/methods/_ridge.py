"""Weighted ridge regression for the change of one layer, and its best approximation of low rank."""

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.adapters import LowRank

ROUNDING = 4.0
"""Units in the last place that the sum of all eigenvalues of a product of rows may be off."""


def ridge(
    x: Float[Tensor, "n m"], s: Float[Tensor, "n d"], weights: Float[Tensor, " n"], strength: float
) -> Float[Tensor, "d m"]:
    """The ΔW that minimises Σᵢ wᵢ ‖ΔW xᵢ − sᵢ‖² + λ ‖ΔW‖².

    With rows scaled by √w that is Sᵀ X (XᵀX + λI)⁻¹ = Sᵀ (XXᵀ + λI)⁻¹ X, of which the one with the smaller system is
    solved. Products are taken in the rows' precision, systems are solved in float64 where the device has it.

    Args:
        x: Inputs of the layer.
        s: Wanted changes of what the inputs become.
        weights: What each row counts, at least 0.
        strength: λ as a part of the mean diagonal of XᵀX, above 0. Never taken below the rounding of the products:
            the system would no longer be positive definite.
    """
    wide = torch.float32 if x.device.type == "mps" else torch.float64
    rows, wanted = x * weights.sqrt()[:, None], s * weights.sqrt()[:, None]
    primal = rows.shape[1] <= rows.shape[0]
    gram = (rows.T @ rows if primal else rows @ rows.T).to(wide)
    size, rounding = gram.trace(), ROUNDING * torch.finfo(rows.dtype).eps
    smallest = torch.finfo(wide).tiny  # inputs that are zero throughout leave the weight alone
    decay = torch.maximum(strength * size / rows.shape[1], rounding * size).clamp(min=smallest)
    factor = torch.linalg.cholesky(gram.diagonal_scatter(gram.diagonal() + decay))
    if primal:
        return torch.cholesky_solve((rows.T @ wanted).to(wide), factor).T
    return (rows.T @ torch.cholesky_solve(wanted.to(wide), factor).to(rows.dtype)).T.to(wide)


def grouped_ridge(
    x: Float[Tensor, "n gm"], s: Float[Tensor, "n d"], weights: Float[Tensor, " n"], strength: float, groups: int
) -> Float[Tensor, "d m"]:
    """The same for a layer whose channels and inputs fall into groups: each group by itself, one upon the other."""
    parts = zip(x.chunk(groups, dim=1), s.chunk(groups, dim=1), strict=True)
    return torch.cat([ridge(inputs, wanted, weights, strength) for inputs, wanted in parts])


def low_rank(change: Float[Tensor, "d m"], energy: float, most: int = 0) -> LowRank:
    """The change of least rank that keeps a part of its energy, as LoRA factors in float32 on the CPU.

    The best B A of a rank takes the first left singular vectors U: B = U, A = Uᵀ ΔW (Eckart and Young). They are the
    eigenvectors of the small matrix ΔW ΔWᵀ. Where inputs are fewer than channels, ΔWᵀ ΔW is the smaller one: A = Vᵀ,
    B = ΔW V.

    Args:
        change: ΔW.
        energy: The part of ‖ΔW‖² to keep, 0 to 1.
        most: The greatest rank, whatever the energy; 0 for no such bound.
    """
    wide = change.cpu().to(torch.float64)
    narrow = wide.shape[1] < wide.shape[0]
    squares, vectors = torch.linalg.eigh(wide.T @ wide if narrow else wide @ wide.T)
    squares, vectors = squares.flip(0).clamp(min=0), vectors.flip(1)
    missing = squares.cumsum(0) < energy * squares.sum()
    kept = vectors[:, : min(int(missing.sum()) + 1, most or len(squares), len(squares))]
    b, a = (wide @ kept, kept.T) if narrow else (kept, kept.T @ wide)
    return LowRank(a.float().contiguous(), b.float().contiguous())
