"""Small models written by hand, as users write them."""

import torch
from torch import Tensor, nn

WIDTH, INNER, PATCH = 16, 40, 8


class Patches(nn.Module):
    """32 × 32 pixels as 16 patches and a class token."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Conv2d(3, WIDTH, PATCH, PATCH)
        self.cls_token = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.positions = nn.Parameter(torch.randn(1, 17, WIDTH))

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.project(pixels).flatten(2).transpose(1, 2)
        return torch.cat([self.cls_token.expand(len(pixels), -1, -1), patches], 1) + self.positions


class EncoderViT(nn.Module):
    """A ViT of torch's own encoder layers, with their fused path in eval mode."""

    def __init__(self, classes: int, depth: int = 3) -> None:
        super().__init__()
        self.patches = Patches()
        layer = nn.TransformerEncoderLayer(
            WIDTH, 2, INNER, activation="gelu", batch_first=True, norm_first=True, dropout=0.1
        )
        self.encoder = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(WIDTH)
        self.head: nn.Module = nn.Linear(WIDTH, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(self.norm(self.encoder(self.patches(pixels)))[:, 0])


class Attention(nn.Module):
    """One head with an inner width above the outer one, so that q, k, v and o look nearly like an FFN."""

    def __init__(self) -> None:
        super().__init__()
        self.q = nn.Linear(WIDTH, 24)
        self.k = nn.Linear(WIDTH, 24)
        self.v = nn.Linear(WIDTH, 24)
        self.o = nn.Linear(24, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        weights = (self.q(x) @ self.k(x).transpose(1, 2) / 24**0.5).softmax(-1)
        return self.o(weights @ self.v(x))


class SequentialBlock(nn.Module):
    """A block with a Sequential FFN, called by keyword, that returns a tuple as older transformers did."""

    def __init__(self) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(WIDTH)
        self.attention = Attention()
        self.ffn = nn.Sequential(
            nn.LayerNorm(WIDTH), nn.Linear(WIDTH, INNER), nn.GELU(), nn.Dropout(0.1), nn.Linear(INNER, WIDTH)
        )

    def forward(self, *, hidden: Tensor, scale: float) -> tuple[Tensor]:
        hidden = hidden + scale * self.attention(self.attention_norm(hidden))
        return (hidden + self.ffn(hidden),)


class SequentialViT(nn.Module):
    """A ViT whose head is registered first and whose blocks return tuples."""

    def __init__(self, classes: int, depth: int = 3) -> None:
        super().__init__()
        self.head = nn.Linear(WIDTH, classes, bias=False)
        self.patches = Patches()
        self.blocks = nn.ModuleList(SequentialBlock() for _ in range(depth))
        self.dropout = nn.Dropout(0.5)

    def forward(self, pixels: Tensor) -> Tensor:
        hidden = self.patches(pixels)
        for block in self.blocks:
            hidden = block(hidden=hidden, scale=0.5)[0]
        return self.head(self.dropout(hidden[:, 0]))


class Cnn(nn.Module):
    """No Transformer at all, though its blocks repeat."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*(nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU()) for _ in range(3)))
        self.head = nn.Linear(3, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(self.body(pixels).mean((2, 3)))


class OutsideResidualViT(nn.Module):
    """Residual connections run beside the modules of a list of lists, not inside them."""

    def __init__(self, classes: int, depth: int = 2) -> None:
        super().__init__()
        self.patches = Patches()
        self.layers = nn.ModuleList(
            nn.ModuleList([Attention(), nn.Sequential(nn.Linear(WIDTH, INNER), nn.GELU(), nn.Linear(INNER, WIDTH))])
            for _ in range(depth)
        )
        self.head = nn.Linear(WIDTH, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        hidden = self.patches(pixels)
        for layer in self.layers:
            for part in layer.children():
                hidden = hidden + part(hidden)
        return self.head(hidden[:, 0])
