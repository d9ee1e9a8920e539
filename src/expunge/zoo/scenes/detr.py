"""A small detector with DETR's shape (Carion et al., arXiv 2005.12872): encoder, object queries, decoder.

Built to learn on a CPU. Queries start from the encoder's tokens, with boxes of their own (Zhu et al., "Deformable
DETR", arXiv 2010.04159, section 4.2): from those that are most an object's centre, whatever its class, and whose boxes
are distinct (Zhang et al., "Dense distinct query for end-to-end object detection", arXiv 2303.12776, section 3.2), so
that few share an object. Attention to the picture is drawn to a query's box by a Gaussian (Gao et al., "Fast
convergence of DETR with spatially modulated co-attention", arXiv 2101.07448, equations 3 and 5), and each decoder layer
corrects the boxes of the one before. Norms come first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from expunge.vision.detection import overlaps, to_corners
from expunge.zoo.scenes._layers import BoxHead, DecoderLayer, EncoderLayer, sine

DISTINCT = 0.5
"""Boxes that overlap by more are taken for the same object's when queries are chosen."""

Maps = Sequence[Float[Tensor, "n ch h w"]]


@dataclass(frozen=True, slots=True)
class DetrShape:
    """Size of a `Detr`.

    Attributes:
        channels: Of each feature map of the backbone.
        dim: Width of tokens and queries.
        encoder: Layers of the encoder.
        decoder: Layers of the decoder.
        heads: Of each attention.
        expansion: How much wider an FFN is inside.
        queries: How many objects can be found in a picture.
        drop: Share of a picture's feature channels that are left out while training.
    """

    channels: tuple[int, ...] = (384, 384)
    dim: int = 128
    encoder: int = 2
    decoder: int = 3
    heads: int = 4
    expansion: int = 3
    queries: int = 20
    drop: float = 0.2


@dataclass(frozen=True, slots=True)
class Proposals:
    """Proposals of the encoder, one a patch.

    Attributes:
        tokens: What it knows.
        centre: Logit of being an object's centre.
        boxes: Box of the object there, centre and size as shares.
    """

    tokens: Float[Tensor, "n t d"]
    centre: Float[Tensor, "n t"]
    boxes: Float[Tensor, "n t 4"]


@dataclass(frozen=True, slots=True)
class Decoded:
    """Output of one layer of the decoder: class logits and boxes of the queries."""

    features: Float[Tensor, "n q d"]
    logits: Float[Tensor, "n q c"]
    boxes: Float[Tensor, "n q 4"]


class Detr(nn.Module):
    """The detector behind the backbone. `encode`, `propose` and `decode` are its three steps."""

    def __init__(self, classes: int, shape: DetrShape = DetrShape()) -> None:
        """Starts untrained; seed torch before to get the same start again."""
        super().__init__()
        self.shape, d = shape, shape.dim
        self.drop = nn.Dropout1d(shape.drop)
        self.project = nn.Linear(sum(shape.channels), d)
        self.encoder = nn.ModuleList(EncoderLayer(d, shape.heads, shape.expansion) for _ in range(shape.encoder))
        self.norm = nn.LayerNorm(d)
        self.centre = nn.Linear(d, 1)
        self.proposal = BoxHead(d)
        self.content = nn.Linear(d, d)
        self.decoder = nn.ModuleList(DecoderLayer(d, shape.heads, shape.expansion) for _ in range(shape.decoder))
        self.norm_out = nn.LayerNorm(d)
        self.classify = nn.Linear(d, classes)
        nn.init.constant_(self.centre.bias, _RARE)
        nn.init.constant_(self.classify.bias, _RARE)

    def encode(self, maps: Maps) -> Float[Tensor, "n t d"]:
        """Tokens, row by row, of feature maps of one size."""
        height, width = maps[0].shape[-2:]
        normal = [functional.layer_norm(one.flatten(2).transpose(1, 2), one.shape[1:2]) for one in maps]
        tokens = self.project(self.drop(torch.cat(normal, dim=-1).transpose(1, 2)).transpose(1, 2))
        position = sine(cells(height, width)[:, :2].to(tokens), tokens.shape[-1] // 2)
        for layer in self.encoder:
            tokens = layer(tokens, position)
        return self.norm(tokens)

    def propose(self, tokens: Float[Tensor, "n t d"], grid: tuple[int, int]) -> Proposals:
        """A box for each token, and how much it is the centre of an object."""
        anchors = cells(*grid).to(tokens).expand(len(tokens), -1, -1)
        return Proposals(tokens, self.centre(tokens)[..., 0], self.proposal(tokens, anchors))

    def best(self, proposals: Proposals) -> Int[Tensor, "n q"]:
        """The tokens that queries start from, one after the other; their boxes overlap little where others are left."""
        left, corners = proposals.centre.detach().clone(), to_corners(proposals.boxes.detach())
        rows, chosen = torch.arange(len(left), device=left.device), []
        for _ in range(min(self.shape.queries, left.shape[1])):
            chosen.append(left.argmax(dim=1))
            iou, _ = overlaps(corners[rows, chosen[-1], None].expand_as(corners), corners)
            left = left - _BEHIND * (iou > DISTINCT).to(left)
            left[rows, chosen[-1]] = -torch.inf
        return torch.stack(chosen, dim=1)

    def decode(
        self, proposals: Proposals, starts: Int[Tensor, "n q"], grid: tuple[int, int], groups: Sequence[int] = ()
    ) -> list[Decoded]:
        """Outputs of each decoder layer for queries that start from the tokens `starts`.

        Args:
            proposals: What the encoder says.
            starts: Positions of tokens.
            grid: Rows and columns of the tokens.
            groups: Sizes of groups of queries that do not see each other; all see all by default.
        """
        rows = torch.arange(len(starts), device=starts.device)[:, None]
        queries, boxes = self.content(proposals.tokens[rows, starts]), proposals.boxes[rows, starts].detach()
        apart = _apart(groups, queries) if groups else None
        position = cells(*grid).to(queries)
        found: list[Decoded] = []
        for layer in self.decoder:
            queries, moved = layer(queries, boxes, proposals.tokens, position, apart)
            features = self.norm_out(queries)
            found.append(Decoded(features, self.classify(features), moved))
            boxes = moved.detach()
        return found


def cells(height: int, width: int) -> Float[Tensor, "t 4"]:
    """Each patch as a box a quarter of the picture wide: centre and size as shares, row by row."""
    y, x = torch.meshgrid((torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing="ij")
    size = torch.full_like(x, 0.25)
    return torch.stack([x, y, size, size], dim=-1).flatten(0, 1)


def _apart(groups: Sequence[int], like: Tensor) -> Float[Tensor, "q q"]:
    """Minus infinity between queries of different groups."""
    group = torch.arange(len(groups), device=like.device).repeat_interleave(torch.tensor(groups, device=like.device))
    return torch.zeros(len(group), len(group)).to(like).masked_fill(group[:, None] != group[None], -torch.inf)


_BEHIND = 100.0  # sets tokens whose boxes are taken behind all others
_RARE = -4.0  # logit of a share of 2 %: few queries are an object of a given class
