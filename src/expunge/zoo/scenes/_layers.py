"""Layers of the small detector: attention, FFN, encoder and decoder layer, and the head that corrects boxes."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """Attention with several heads; positions are added to what is compared, not to what is passed on."""

    def __init__(self, dim: int, heads: int) -> None:
        """Starts with PyTorch's own initialisation."""
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v = nn.Linear(dim, dim), nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)

    def forward(
        self,
        queries: Float[Tensor, "n q d"],
        keys: Float[Tensor, "n k d"],
        values: Float[Tensor, "n k d"],
        bias: Tensor | None = None,
    ) -> Float[Tensor, "n q d"]:
        """Gathered values; `bias`, (n, heads, q, k) or what expands to it, is added to the attention logits."""
        q, k, v = self._split(self.q(queries)), self._split(self.k(keys)), self._split(self.v(values))
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.out(mixed.transpose(1, 2).flatten(2))

    def _split(self, x: Float[Tensor, "n t d"]) -> Float[Tensor, "n h t e"]:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


class FFN(nn.Module):
    """A norm, and a widening and a narrowing layer; what comes in is added to what comes out."""

    def __init__(self, dim: int, expansion: int) -> None:
        """Starts with PyTorch's own initialisation."""
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc1, self.fc2 = nn.Linear(dim, expansion * dim), nn.Linear(expansion * dim, dim)

    def forward(self, x: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
        """One FFN."""
        return x + self.fc2(functional.gelu(self.fc1(self.norm(x))))


class EncoderLayer(nn.Module):
    """Tokens look at each other."""

    def __init__(self, dim: int, heads: int, expansion: int) -> None:
        """Starts with PyTorch's own initialisation."""
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.attention = Attention(dim, heads)
        self.ffn = FFN(dim, expansion)

    def forward(self, x: Float[Tensor, "n t d"], position: Float[Tensor, "t d"]) -> Float[Tensor, "n t d"]:
        """One layer."""
        normal = self.norm(x)
        placed = normal + position
        return self.ffn(x + self.attention(placed, placed, normal))


class BoxHead(nn.Module):
    """Corrects boxes by what a token knows; corrections are made to logits of shares, and start at nothing."""

    def __init__(self, dim: int) -> None:
        """Starts with PyTorch's own initialisation, but for the last layer."""
        super().__init__()
        self.inner, self.out = nn.Linear(dim, dim), nn.Linear(dim, 4)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Float[Tensor, "n t d"], boxes: Float[Tensor, "n t 4"]) -> Float[Tensor, "n t 4"]:
        """Boxes, centre and size as shares."""
        return (self.out(functional.gelu(self.inner(x))) + boxes.logit(_EDGE)).sigmoid()


class DecoderLayer(nn.Module):
    """Queries look at each other, then at the picture around their boxes, and correct these."""

    def __init__(self, dim: int, heads: int, expansion: int) -> None:
        """Starts with a Gaussian as wide as the box, centred on it."""
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.place = nn.Linear(2 * dim, dim)
        self.among = Attention(dim, heads)
        self.norm_picture = nn.LayerNorm(dim)
        self.gaussian = nn.Linear(dim, 4 * heads)
        self.picture = Attention(dim, heads)
        self.ffn = FFN(dim, expansion)
        self.box = BoxHead(dim)
        nn.init.zeros_(self.gaussian.weight)
        nn.init.zeros_(self.gaussian.bias)

    def forward(
        self,
        queries: Float[Tensor, "n q d"],
        boxes: Float[Tensor, "n q 4"],
        tokens: Float[Tensor, "n t d"],
        cells: Float[Tensor, "t 4"],
        apart: Float[Tensor, "q q"] | None,
    ) -> tuple[Float[Tensor, "n q d"], Float[Tensor, "n q 4"]]:
        """Queries and their boxes after one layer."""
        width = queries.shape[-1]
        place = self.place(sine(boxes, width // 2))
        normal = self.norm(queries)
        queries = queries + self.among(normal + place, normal + place, normal, apart)
        normal = self.norm_picture(queries)
        keys = tokens + sine(cells[:, :2], width // 2)
        queries = queries + self.picture(normal + place, keys, tokens, self._around(normal, boxes, cells))
        queries = self.ffn(queries)
        return queries, self.box(queries, boxes)

    def _around(self, queries: Tensor, boxes: Tensor, cells: Tensor) -> Float[Tensor, "n h q t"]:
        """Logarithm of a Gaussian around each box, its centre and widths in units of the box and moved by the query."""
        shift, scale = self.gaussian(queries).unflatten(-1, (-1, 2, 2)).transpose(1, 2).unbind(-2)
        centre = boxes[:, None, :, :2] + shift * boxes[:, None, :, 2:]
        spread = boxes[:, None, :, 2:].clamp_min(_LEAST) * scale.exp()
        return -(((cells[:, :2] - centre[..., None, :]) / spread[..., None, :]) ** 2).sum(-1)


def sine(numbers: Float[Tensor, "*n k"], each: int) -> Float[Tensor, "*n wide"]:
    """`each` sines and cosines of every number from 0 to 1, as in arXiv 2005.12872, appendix A.4.

    The slowest wave is half a turn long over the picture, the fastest has a turn every second patch of 16.
    """
    turns = torch.logspace(math.log10(0.5), math.log10(8), each // 2, device=numbers.device, dtype=numbers.dtype)
    angles = 2 * math.pi * numbers[..., None] * turns
    return torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(-2)


_EDGE = 1e-4  # boxes at the very edge have no finite logit
_LEAST = 0.03  # narrowest Gaussian, as a share of the picture: half a patch
