"""A Linear layer with a trainable low-rank addition (LoRA, Hu et al., arXiv 2106.09685)."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
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
        drawn = torch.empty(rank, base.in_features)
        nn.init.kaiming_uniform_(drawn, a=math.sqrt(5), generator=generator)
        like = {"device": base.weight.device, "dtype": base.weight.dtype}
        self.lora_a = nn.Parameter(drawn.to(**like))
        self.lora_b = nn.Parameter(torch.zeros(base.out_features, rank, **like))

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
