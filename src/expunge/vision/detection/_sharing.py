"""Detectors that share one backbone, so that its work on a picture needs to be done once for all of them."""

import torch
from PIL import Image

from expunge.vision.detection._structure import find_backbone
from expunge.vision.detection.model import DetectionModel
from expunge.vision.digest import digest


def share_backbone(first: DetectionModel, second: DetectionModel) -> bool:
    """Whether what enters the lowest block of one is what enters that of the other, for any picture.

    It is where both have a backbone of the same weights, bit for bit, that says exactly the same of a trial picture,
    preprocessing included: weights alone do not tell at which depth feature maps are taken.
    """
    names = [find_backbone(model.module) for model in (first, second)]
    if None in names or 0 in first.decoder or 0 in second.decoder:
        return False
    one, other = (
        digest(model.module.get_submodule(str(name))) for model, name in zip((first, second), names, strict=True)
    )
    return one == other and torch.equal(_trial(first), _trial(second))


@torch.no_grad()
def _trial(model: DetectionModel) -> torch.Tensor:
    """Inputs of the lowest block for a picture of all colours, not square; a row of another length is not equal."""
    picture = Image.effect_mandelbrot((64, 48), (-2.0, -1.5, 1.0, 1.5), 60).convert("RGB")
    return model.enter(model.prepare([picture]), 0).cpu()
