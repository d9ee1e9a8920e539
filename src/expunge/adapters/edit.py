"""What a method hands over: a low-rank change of some Linear layers, and classes struck from the head."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class LowRank:
    """The change `scale · B A` of one weight.

    Attributes:
        a: (rank, in).
        b: (out, rank).
        scale: LoRA's alpha / rank.
    """

    a: Float[Tensor, "rank in"]
    b: Float[Tensor, "out rank"]
    scale: float = 1.0

    @property
    def rank(self) -> int:
        """Number of rows of A and columns of B."""
        return self.a.shape[0]

    def delta(self) -> Float[Tensor, "out in"]:
        """The change as one matrix in float64, the precision in which edits are summed."""
        return self.scale * (self.b.to(torch.float64) @ self.a.to(torch.float64))


@dataclass(frozen=True, eq=False)
class Edit:
    """One change of a model; empty where a method did nothing.

    Attributes:
        deltas: Qualified name of a Linear layer -> its low-rank change. Pruned layers are absent.
        masked: Indices of classes whose logit is struck out at the head.
    """

    deltas: Mapping[str, LowRank] = field(default_factory=dict)
    masked: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Fixes the order of names and classes, so that equal edits have equal bytes."""
        object.__setattr__(self, "deltas", MappingProxyType(dict(sorted(self.deltas.items()))))
        object.__setattr__(self, "masked", tuple(sorted(set(self.masked))))

    @property
    def parameters(self) -> int:
        """Numbers stored in the low-rank factors."""
        return sum(low.a.numel() + low.b.numel() for low in self.deltas.values())

    @property
    def bytes(self) -> int:
        """Bytes of the low-rank factors."""
        tensors = (t for low in self.deltas.values() for t in (low.a, low.b))
        return sum(t.numel() * t.element_size() for t in tensors)
