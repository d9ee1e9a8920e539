"""Pictures so small that they show layout, colour and contrast, and nobody's face."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from expunge.data import Images
from expunge.vision import Wrapped

SIDE = 8
"""Thumbnails have this many pixels a side: enough for layout, colour and contrast."""


def thumbnails(model: Wrapped, images: Images) -> Float[Tensor, "n d"]:
    """Prepared pixels of the images, averaged to `SIDE` × `SIDE`, or what was kept of them in that size."""
    parts = []
    for start in range(0, len(images), 100):
        batch = range(start, min(start + 100, len(images)))
        kept = [getattr(images.samples[row], "thumbnail", None) for row in batch]
        fresh = [row for row, one in zip(batch, kept, strict=True) if one is None]
        made = iter(_made(model, images.select(fresh)) if fresh else ())
        parts.append(torch.stack([next(made) if one is None else one for one in kept]))
    return torch.cat(parts)


def _made(model: Wrapped, images: Images) -> Float[Tensor, "n d"]:
    pixels = model.prepare(images.load()).float().cpu()
    return functional.adaptive_avg_pool2d(pixels, SIDE).flatten(1)
