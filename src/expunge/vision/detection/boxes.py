"""Arithmetic of boxes: two ways to write them, and how much two of them overlap."""

import torch
from jaxtyping import Float
from torch import Tensor


def to_corners(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """Left, top, right, bottom of boxes given as centre x, centre y, width, height."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def to_centres(corners: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """Centre x, centre y, width, height of boxes given as left, top, right, bottom."""
    low, high = corners[..., :2], corners[..., 2:]
    return torch.cat([(low + high) / 2, high - low], dim=-1)


def overlaps(a: Float[Tensor, "*n 4"], b: Float[Tensor, "*n 4"]) -> tuple[Float[Tensor, "*n"], Float[Tensor, "*n"]]:
    """Overlaps of boxes, one with one; `a[:, None]` and `b[None]`, expanded, give every pair.

    Args:
        a: Corners.
        b: Corners.

    Returns:
        Intersection over union, 0 to 1, and its generalisation, -1 to 1 (Rezatofighi et al., arXiv 1902.09630,
        algorithm 1), which goes on falling as boxes that do not touch move apart. Two boxes without area have 0 each.
    """
    shared = _area(torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:]))
    union = _area(a[..., :2], a[..., 2:]) + _area(b[..., :2], b[..., 2:]) - shared
    hull = _area(torch.minimum(a[..., :2], b[..., :2]), torch.maximum(a[..., 2:], b[..., 2:]))
    iou = shared / union.clamp_min(_TINY)
    return iou, iou - (hull - union) / hull.clamp_min(_TINY)


def pairs(a: Float[Tensor, "n 4"], b: Float[Tensor, "m 4"]) -> tuple[Float[Tensor, "n m"], Float[Tensor, "n m"]]:
    """`overlaps` of every box of `a` with every box of `b`."""
    shape = (len(a), len(b), 4)
    return overlaps(a[:, None].expand(shape), b[None].expand(shape))


_TINY = torch.finfo(torch.float32).tiny


def _area(low: Tensor, high: Tensor) -> Tensor:
    return (high - low).clamp_min(0).prod(-1)
