"""Groups of LoRA matrices that live or die together, and the arithmetic of group sparsity.

The penalty is the group lasso of Yuan & Lin (2006) as GS-LoRA uses it (arXiv 2501.09705, eq. 7): a sum over groups of
the Euclidean norm of everything in the group. A subgradient of it never makes a group exactly zero; the proximal step
(group soft-threshold) does, which is what turns a penalty into a selection.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.adapters.lora import LoRA
from expunge.values import Block

Grouping = Literal["block", "lora", "matrix"]
Groups = Mapping[str, tuple[Tensor, ...]]


def make_groups(layers: Mapping[str, LoRA], blocks: Sequence[Block], grouping: Grouping = "block") -> Groups:
    """Sorts the matrices of `layers` into groups.

    Args:
        layers: Qualified name -> LoRA layer.
        blocks: The model's blocks; a block without any of `layers` gets no group.
        grouping: "block": all matrices of a block (the papers' choice); "lora": A and B of one layer; "matrix": each
            matrix alone.

    Returns:
        Group name -> its tensors, in the order of `blocks`.
    """
    groups: dict[str, tuple[Tensor, ...]] = {}
    for block in blocks:
        present = [name for name in block.linears if name in layers]
        pairs = {name: (layers[name].lora_a, layers[name].lora_b) for name in present}
        if grouping == "block" and present:
            groups[block.name] = tuple(t for pair in pairs.values() for t in pair)
        elif grouping == "lora":
            groups.update(pairs)
        elif grouping == "matrix":
            for name, (a, b) in pairs.items():
                groups |= {f"{name}.lora_a": (a,), f"{name}.lora_b": (b,)}
    return groups


def group_norms(groups: Groups) -> dict[str, Float[Tensor, ""]]:
    """Euclidean norm of each group over all its matrices."""
    return {name: torch.sqrt(sum((t.square().sum() for t in ts), torch.zeros(()))) for name, ts in groups.items()}


def group_penalty(groups: Groups) -> Float[Tensor, ""]:
    """Sum of the group norms, to be scaled by alpha and added to a loss (subgradient form).

    An all-zero group takes part with gradient zero, a valid subgradient; the plain square root would give NaN.
    """
    total = torch.zeros(())
    for tensors in groups.values():
        squares = torch.stack([t.square().sum() for t in tensors]).sum()
        total = total.to(squares.device) + torch.where(squares > 0, squares, 1.0).sqrt() * (squares > 0)
    return total


@torch.no_grad()
def proximal_step(groups: Groups, threshold: float, *, by_size: bool = False) -> None:
    """Shrinks every group towards zero in place; a group with norm below the threshold becomes exactly zero.

    prox(g) = max(0, 1 - t / ‖g‖) · g, with t = `threshold`, times the square root of the group's number of entries
    where `by_size` (the weighting of Yuan & Lin, which makes one threshold mean the same for groups of any size).
    """
    for tensors in groups.values():
        limit = threshold * (math.sqrt(sum(t.numel() for t in tensors)) if by_size else 1.0)
        norm = math.sqrt(sum(float(t.square().sum(dtype=torch.float64)) for t in tensors))
        factor = max(0.0, 1.0 - limit / norm) if norm > 0 else 0.0
        for tensor in tensors:
            if factor:
                tensor.mul_(factor)
            else:
                tensor.zero_()
