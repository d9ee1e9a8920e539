"""Edits, the result of a method: low-rank or dense changes of weights, and classes struck from the head."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class LowRank:
    """The change `scale · B A` of one weight, laid out as PEFT does.

    Attributes:
        a: (rank, in); of a convolution (rank, in, k, k).
        b: (out, rank); of a convolution (out, rank, 1, 1).
        scale: LoRA's alpha / rank.
    """

    a: Float[Tensor, "rank *in"]
    b: Float[Tensor, "out rank *ones"]
    scale: float = 1.0

    @property
    def rank(self) -> int:
        """Number of rows of A and columns of B."""
        return self.a.shape[0]

    def delta(self) -> Float[Tensor, "out *in"]:
        """The change in the shape of the weight in float64, the precision in which edits are summed."""
        b, a = self.b.to(torch.float64).flatten(1), self.a.to(torch.float64).flatten(1)
        return (self.scale * (b @ a)).view(len(b), *self.a.shape[1:])

    def laid_out(self, weight: Tensor) -> "LowRank":
        """The same factors of a matrix as those of a layer with this weight, which the matrix was read from."""
        a, ones = self.a.reshape(self.rank, *weight.shape[1:]), (1,) * (weight.ndim - 2)
        return LowRank(a, self.b.reshape(*self.b.shape[:2], *ones), self.scale)

    def half(self) -> "LowRank":
        """Nearly the same change in half the bytes: factors in float16.

        Each factor is brought to a greatest entry between 1 and 2 by a power of two, which `scale` takes over: so
        nothing overflows, and what float16 cannot tell from zero is a ten-millionth of the greatest.
        """
        (a, up), (b, by) = (_near_one(factor) for factor in (self.a, self.b))
        return LowRank(a, b, self.scale * up * by)


def _near_one(factor: Tensor) -> tuple[Tensor, float]:
    """A factor in float16, and the power of two that it has to be multiplied by."""
    greatest = float(factor.abs().max()) if factor.numel() else 0.0
    power = 2.0 ** (math.frexp(greatest)[1] - 1) if math.isfinite(greatest) and greatest > 0 else 1.0
    return (factor.to(torch.float64) / power).to(torch.float16).contiguous(), power


@dataclass(frozen=True, eq=False)
class Edit:
    """One change of a model; empty where a method did nothing.

    Attributes:
        deltas: Qualified name of a Linear layer or convolution -> its low-rank change. Pruned layers are absent.
        masked: Indices of classes whose logit is struck out at the head.
        dense: Qualified name of a parameter -> what is added to it, of its shape. For methods that move whole weights.
    """

    deltas: Mapping[str, LowRank] = field(default_factory=dict)
    masked: tuple[int, ...] = ()
    dense: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Fixes the order of names and classes, so that equal edits have equal bytes."""
        object.__setattr__(self, "deltas", MappingProxyType(dict(sorted(self.deltas.items()))))
        object.__setattr__(self, "masked", tuple(sorted(set(self.masked))))
        object.__setattr__(self, "dense", MappingProxyType(dict(sorted(self.dense.items()))))

    @property
    def touched(self) -> tuple[str, ...]:
        """Qualified names of the parameters that change, sorted; the head of struck classes is not among them."""
        return tuple(sorted({*(f"{name}.weight" for name in self.deltas), *self.dense}))

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Everything the edit stores."""
        return (*(t for low in self.deltas.values() for t in (low.a, low.b)), *self.dense.values())

    @property
    def parameters(self) -> int:
        """Numbers stored in the edit."""
        return sum(t.numel() for t in self.tensors)

    def half(self) -> "Edit":
        """The edit with its low-rank factors in float16; dense changes stay as they are.

        To be made before the edit is applied, so that what is stored is what was measured.
        """
        return replace(self, deltas={name: low.half() for name, low in self.deltas.items()})

    @property
    def bytes(self) -> int:
        """Bytes of the numbers stored."""
        return sum(t.numel() * t.element_size() for t in self.tensors)
