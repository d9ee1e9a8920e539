"""From a forward pass to boxes in pixels with a class and a score each."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from expunge.errors import DetectionError
from expunge.vision.detection.boxes import to_corners
from expunge.vision.detection.output import DetectionOutput, Kind


@dataclass(frozen=True, slots=True)
class Detections:
    """Detections in one image, the surest first.

    Attributes:
        boxes: Left, top, right and bottom in pixels; they may leave the image.
        scores: Probabilities, 0 to 1.
        labels: Classes.
        queries: Which query says so.
    """

    boxes: Float[Tensor, "k 4"]
    scores: Float[Tensor, "k"]
    labels: Int[Tensor, "k"]
    queries: Int[Tensor, "k"]

    def __len__(self) -> int:
        return len(self.scores)


def detect(
    output: DetectionOutput, sizes: Sequence[tuple[int, int]], *, most: int = 100, threshold: float = 0.0
) -> tuple[Detections, ...]:
    """Reads boxes as the published evaluations do.

    With a softmax each query says one thing, its likeliest class. With sigmoids it may say several, and the likeliest
    pairs of query and class are taken, whichever queries they come from. No box suppresses another.

    Args:
        output: A forward pass.
        sizes: Width and height of each image in pixels, as in Pillow; boxes are scaled to it.
        most: At most so many boxes an image; 100 is COCO's limit.
        threshold: Only scores above this count. So a struck class, whose score is exactly 0, is never reported.

    Raises:
        DetectionError: There are more or fewer sizes than images.
    """
    if len(sizes) != len(output):
        raise DetectionError(f"{len(sizes)} sizes came for {len(output)} images: give width and height of each")
    corners = to_corners(output.boxes.detach().float())
    return tuple(
        _one(p, box * torch.tensor([*size, *size], dtype=box.dtype, device=box.device), output.kind, most, threshold)
        for p, box, size in zip(output.probabilities.detach().float(), corners, sizes, strict=True)
    )


def _one(p: Tensor, boxes: Tensor, kind: Kind, most: int, threshold: float) -> Detections:
    if kind == "softmax":
        scores, labels = p.max(-1)
        queries = torch.arange(len(p), device=p.device)
    else:
        scores = p.flatten()
        places = torch.arange(len(scores), device=p.device)
        queries, labels = places // p.shape[-1], places % p.shape[-1]
    order = scores.argsort(descending=True, stable=True)[:most]
    order = order[scores[order] > threshold]
    return Detections(boxes[queries[order]], scores[order], labels[order], queries[order])
