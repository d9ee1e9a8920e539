"""Layers with a trainable low-rank addition (LoRA, Hu et al., arXiv 2106.09685), laid out as PEFT does."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional


class LoRALinear(nn.Module):
    """`base(x) + scale · (x Aᵀ) Bᵀ`, with `base` frozen.

    A starts Kaiming-uniform and B at zero, so the layer starts as `base` itself. `weight` and `bias` give the
    effective values, for modules that read them instead of calling the layer.

    Attributes:
        lora_a: Parameter of shape (rank, in_features).
        lora_b: Parameter of shape (out_features, rank).
    """

    def __init__(self, base: nn.Linear, rank: int, scale: float, generator: torch.Generator):
        """Wraps `base`; A is drawn on the CPU from `generator`, so that a seed means the same on every device."""
        super().__init__()
        self.base = base
        self.scale = scale
        self.lora_a, self.lora_b = _start(base.weight, rank, generator)

    @property
    def in_features(self) -> int:
        """Width of the input."""
        return self.base.in_features

    @property
    def out_features(self) -> int:
        """Width of the output."""
        return self.base.out_features

    @property
    def weight(self) -> Float[Tensor, "out in"]:
        """The effective weight, base and addition together."""
        return self.base.weight + self.scale * (self.lora_b @ self.lora_a)

    @property
    def bias(self) -> Tensor | None:
        """The base's bias; the addition has none."""
        return self.base.bias

    def forward(self, x: Float[Tensor, "*batch in"]) -> Float[Tensor, "*batch out"]:
        """Applies the layer to the last dimension of `x`."""
        low = functional.linear(functional.linear(x, self.lora_a), self.lora_b)
        return self.base(x) + self.scale * low


class LoRAConv2d(nn.Module):
    """A convolution with the weight W + scale · B A, with `base` frozen.

    PEFT runs A as a k x k convolution with `rank` channels and B as a 1 x 1 one after it, which is the same thing: both
    are linear, and B mixes channels at one position. Here the sum of weights runs as one convolution, so that whatever
    a kind of convolution does around its weight, padding or scaling, is done to the addition as well, as in an edit.
    Stride, kernel and the like are the base's, for modules that read them.

    Attributes:
        lora_a: Parameter of shape (rank, in / groups, k, k).
        lora_b: Parameter of shape (out, rank, 1, 1).
    """

    def __init__(self, base: nn.Conv2d, rank: int, scale: float, generator: torch.Generator):
        """Wraps `base`; A is drawn on the CPU from `generator`, so that a seed means the same on every device."""
        super().__init__()
        self.base = base
        self.scale = scale
        self.lora_a, self.lora_b = _start(base.weight, rank, generator)

    def __getattr__(self, name: str) -> Any:
        """What only the base has."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("base"), name)

    @property
    def weight(self) -> Float[Tensor, "out in k1 k2"]:
        """The effective weight, base and addition together."""
        return self.base.weight + self.scale * (self.lora_b.flatten(1) @ self.lora_a.flatten(1)).view_as(
            self.base.weight
        )

    @property
    def bias(self) -> Tensor | None:
        """The base's bias; the addition has none."""
        return self.base.bias

    def forward(self, x: Float[Tensor, "n in h w"]) -> Float[Tensor, "n out h2 w2"]:
        """Applies the layer to maps with channels first."""
        return functional_call(self.base, {"weight": self.weight}, (x,))


LoRA = LoRALinear | LoRAConv2d


def lora(base: nn.Module, rank: int, scale: float, generator: torch.Generator) -> LoRA:
    """The layer with an addition.

    Raises:
        TypeError: It is no Linear or Conv2d layer.
    """
    if isinstance(base, nn.Linear):
        return LoRALinear(base, rank, scale, generator)
    if isinstance(base, nn.Conv2d):
        return LoRAConv2d(base, rank, scale, generator)
    raise TypeError(f"expected a torch.nn.Linear or Conv2d, found {type(base).__name__}")


def _start(weight: Tensor, rank: int, generator: torch.Generator) -> tuple[nn.Parameter, nn.Parameter]:
    """A, Kaiming-uniform, and B, zero."""
    drawn = torch.empty(rank, *weight.shape[1:])
    nn.init.kaiming_uniform_(drawn, a=math.sqrt(5), generator=generator)
    like = {"device": weight.device, "dtype": weight.dtype}
    zeros = torch.zeros(len(weight), rank, *(1 for _ in weight.shape[2:]), **like)
    return nn.Parameter(drawn.to(**like)), nn.Parameter(zeros)
