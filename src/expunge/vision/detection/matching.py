"""Assignment of queries to objects: the cheapest of one to one.

Carion et al., arXiv 2005.12872, equation 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from expunge.errors import MissingExtraError
from expunge.vision.detection.boxes import pairs, to_corners
from expunge.vision.detection.output import DetectionOutput
from expunge.vision.detection.targets import Target, check_targets


@dataclass(frozen=True, slots=True)
class Costs:
    """Weights of the costs of letting a query answer for an object.

    Attributes:
        classify: "probability": minus the probability of the object's class (DETR, equation 1). "focal": how much the
            focal loss falls if the query answers (Deformable DETR, arXiv 2010.04159, section 3).
        label: Weight of that.
        l1: Weight of the sum of absolute differences between the boxes.
        giou: Weight of minus the generalised overlap of the boxes.
        alpha: The focal loss's weight of the true class.
        gamma: The focal loss's exponent.
    """

    classify: Literal["probability", "focal"] = "probability"
    label: float = 1.0
    l1: float = 5.0
    giou: float = 2.0
    alpha: float = 0.25
    gamma: float = 2.0


@dataclass(frozen=True, slots=True)
class Match:
    """The pairs of one image, in the order of its objects. Objects beyond the number of queries have none.

    Attributes:
        queries: Positions of the queries.
        objects: Positions of the objects they answer for.
    """

    queries: Int[Tensor, "m"]
    objects: Int[Tensor, "m"]


@dataclass(frozen=True, slots=True)
class Matched:
    """All pairs of a batch side by side, image after image.

    Attributes:
        features: What the classifier was given at the queries that answer.
        logits: What it made of it.
        boxes: The boxes they say, centre and size as shares.
        labels: The classes of the objects they answer for.
        truth: The boxes of these objects.
        images: Which image each pair is in.
    """

    features: Float[Tensor, "m d"]
    logits: Float[Tensor, "m rows"]
    boxes: Float[Tensor, "m 4"]
    labels: Int[Tensor, "m"]
    truth: Float[Tensor, "m 4"]
    images: Int[Tensor, "m"]


@torch.no_grad()
def match(output: DetectionOutput, targets: Sequence[Target], costs: Costs) -> tuple[Match, ...]:
    """The cheapest assignment in each image.

    Raises:
        DetectionError: Targets and output do not fit together.
        MissingExtraError: scipy is not installed.
    """
    check_targets(output, tuple(targets))
    return tuple(assign(cost_matrix(output, i, target, costs)) for i, target in enumerate(targets))


def cost_matrix(output: DetectionOutput, image: int, target: Target, costs: Costs) -> Float[Tensor, "q k"]:
    """Costs of each pair of a query and an object of one image."""
    labels, truth = target.labels.to(output.logits.device), target.boxes.to(output.boxes.device)
    p, boxes = output.probabilities[image][:, labels].float(), output.boxes[image].float()
    _, giou = pairs(to_corners(boxes), to_corners(truth))
    return costs.label * _class_cost(p, costs) + costs.l1 * torch.cdist(boxes, truth, p=1) - costs.giou * giou


def assign(cost: Float[Tensor, "q k"]) -> Match:
    """The assignment of one to one with the smallest sum; a pair that costs no number is the last resort.

    Raises:
        MissingExtraError: scipy is not installed.
    """
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError as error:
        raise MissingExtraError('Detection needs scipy: pip install "expunge[detection]".') from error
    worst = torch.finfo(torch.float32).max
    cost = torch.nan_to_num(cost.detach().float().cpu(), nan=worst, posinf=worst, neginf=worst)
    objects, queries = linear_sum_assignment(cost.T.numpy())
    return Match(torch.as_tensor(queries, dtype=torch.int64), torch.as_tensor(objects, dtype=torch.int64))


def matched(output: DetectionOutput, targets: Sequence[Target], matches: Sequence[Match]) -> Matched:
    """Outputs of assigned queries beside their objects; gradients flow through the output's part."""
    device = output.logits.device
    counts = torch.tensor([len(m.queries) for m in matches], dtype=torch.int64)
    images = torch.arange(len(matches)).repeat_interleave(counts).to(device)
    queries = _cat([m.queries for m in matches], torch.int64).to(device)
    labels = _cat([t.labels[m.objects.to(t.labels.device)] for t, m in zip(targets, matches, strict=True)], torch.int64)
    truth = [t.boxes[m.objects.to(t.boxes.device)] for t, m in zip(targets, matches, strict=True)]
    return Matched(
        features=output.features[images, queries],
        logits=output.logits[images, queries],
        boxes=output.boxes[images, queries],
        labels=labels.to(device),
        truth=_cat(truth, output.boxes.dtype).view(-1, 4).to(device),
        images=images,
    )


def _class_cost(p: Tensor, costs: Costs) -> Tensor:
    if costs.classify == "probability":
        return -p
    miss = -((p + _SMALL).log()) * costs.alpha * (1 - p) ** costs.gamma
    false_alarm = -((1 - p + _SMALL).log()) * (1 - costs.alpha) * p**costs.gamma
    return miss - false_alarm


_SMALL = 1e-8  # keeps the logarithm finite at 0


def _cat(parts: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    return torch.cat([part.to(dtype) for part in parts]) if parts else torch.zeros(0, dtype=dtype)
