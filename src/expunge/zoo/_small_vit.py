"""A small vision transformer for 28 × 28 images: trained from scratch in minutes on one core.

A convolutional stem makes 16 tokens of an image (Xiao et al., "Early convolutions help transformers see better", arXiv
2106.14881); pre-norm blocks follow (Dosovitskiy et al., arXiv 2010.11929). Small enough that an oracle can be trained
for every request of a benchmark.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

SIDE = 28
TOKENS = 16


@dataclass(frozen=True, slots=True)
class Shape:
    """Size of a `SmallViT`: channels, blocks, attention heads, and how much wider the FFN is inside."""

    dim: int = 48
    blocks: int = 4
    heads: int = 4
    expansion: int = 2

    def build(self, classes: int) -> "SmallViT":
        """Starts untrained; seed torch before to get the same start again."""
        return SmallViT(classes, self)


class Block(nn.Module):
    """Attention and FFN, each behind a layer norm and around a residual connection."""

    def __init__(self, shape: Shape) -> None:
        """Starts with PyTorch's own initialisation."""
        super().__init__()
        self.heads = shape.heads
        self.norm1 = nn.LayerNorm(shape.dim)
        self.qkv = nn.Linear(shape.dim, 3 * shape.dim)
        self.proj = nn.Linear(shape.dim, shape.dim)
        self.norm2 = nn.LayerNorm(shape.dim)
        self.fc1 = nn.Linear(shape.dim, shape.expansion * shape.dim)
        self.fc2 = nn.Linear(shape.expansion * shape.dim, shape.dim)

    def forward(self, x: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
        """One block."""
        n, t, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, d)
        x = x + self.proj(mixed)
        return x + self.fc2(functional.gelu(self.fc1(self.norm2(x))))


class SmallViT(nn.Module):
    """The classifier; its embedding is the class token after the last norm."""

    def __init__(self, classes: int, shape: Shape = Shape()) -> None:
        """Starts untrained; seed torch before to get the same start again."""
        super().__init__()
        d = shape.dim
        self.stem = nn.Sequential(
            nn.Conv2d(3, d // 2, 3, 2, 1), nn.GELU(), nn.Conv2d(d // 2, d, 3, 2, 1), nn.GELU(), nn.Conv2d(d, d, 3, 2, 1)
        )
        self.cls = nn.Parameter(torch.zeros(1, 1, d))
        self.position = nn.Parameter(0.02 * torch.randn(1, 1 + TOKENS, d))
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.blocks))
        self.norm = nn.LayerNorm(d)
        self.head = nn.Linear(d, classes)

    def forward(self, pixels: Float[Tensor, "n 3 28 28"]) -> Float[Tensor, "n classes"]:
        """Logits."""
        tokens = self.stem(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(tokens), -1, -1), tokens], dim=1) + self.position
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])
