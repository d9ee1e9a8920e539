"""Training objective of the small detector: the set criterion after every decoder layer, and more besides.

Few queries answer for an object, so the set criterion alone teaches slowly. As in Co-DETR (Zong et al., arXiv
2211.12860) many more are given an object without any matching: each token on an object is asked for its class and box,
and more queries start from such tokens. Each of these is alone: queries that see each other must learn that one of them
is enough. All of it is left away afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from expunge.vision.detection import Costs, Criterion, DetectionOutput, Target, overlaps, to_corners
from expunge.zoo.scenes.detr import Decoded, Detr, Maps, Proposals, cells

CRITERION = Criterion("focal", Costs("focal", label=2.0, l1=5.0, giou=2.0), label=2.0, l1=5.0, giou=2.0)
"""Weights of Deformable DETR, arXiv 2010.04159."""

CORE = 0.3
"""A token is on an object if it is this near to its centre, in shares of its width and height, or nearest to it."""

SPREAD = 0.15
"""Standard deviation of the Gaussian around a centre, in shares of the object's width and height."""


class TrainingModel(nn.Module):
    """A detector with the layer that only its training needs: the class of the object that a token is on."""

    def __init__(self, detector: Detr, classes: int) -> None:
        """Starts untrained; seed torch before to get the same start again."""
        super().__init__()
        self.detector = detector
        self.token_class = nn.Linear(detector.shape.dim, classes)


@dataclass(frozen=True, slots=True)
class Assigned:
    """Tokens and the objects they are on.

    Attributes:
        on: Whether a token is on an object at all.
        labels: Class of the object, 0 where there is none.
        boxes: Its box, nothing where there is none.
        centres: 1 for the token at an object's centre, less around it, 0 far off.
    """

    on: Bool[Tensor, "n t"]
    labels: Int[Tensor, "n t"]
    boxes: Float[Tensor, "n t 4"]
    centres: Float[Tensor, "n t"]


def objective(pupil: TrainingModel, maps: Maps, targets: Sequence[Target], extra: int) -> Float[Tensor, ""]:
    """The loss of a batch.

    Args:
        pupil: What is taught.
        maps: Feature maps of the backbone.
        targets: What is in each scene.
        extra: How many more queries there are; their tokens are drawn by torch's own generator.
    """
    detector, grid = pupil.detector, (maps[0].shape[2], maps[0].shape[3])
    proposals = detector.propose(detector.encode(maps), grid)
    assigned = assign_tokens(targets, grid)
    loss = _centre_loss(proposals.centre, assigned.centres) + _token_loss(pupil, proposals, assigned)
    starts, drawn = detector.best(proposals), _drawn(assigned.on, extra)
    free_queries, alone = starts.shape[1], [1] * extra
    for layer in detector.decode(proposals, torch.cat([starts, drawn], dim=1), grid, [free_queries, *alone]):
        free, given = (DetectionOutput(*parts, "sigmoid") for parts in _split(layer, [free_queries, extra]))
        loss = loss + CRITERION.loss(free, targets).total + _given_loss(given, assigned, drawn)
    return loss


def assign_tokens(targets: Sequence[Target], grid: tuple[int, int]) -> Assigned:
    """Object that each token is on; where several are, the one nearest to the camera, which comes last."""
    places = cells(*grid)[:, :2]
    n, t, cell = len(targets), len(places), torch.tensor([1 / grid[1], 1 / grid[0]])
    which, labels, boxes = torch.full((n, t), -1), torch.zeros(n, t, dtype=torch.int64), torch.zeros(n, t, 4)
    centres = torch.zeros(n, t)
    for i, target in enumerate(targets):
        for k, box in enumerate(target.boxes):
            away = (places - box[:2]).abs()
            near, nearest = (away <= CORE * box[2:]).all(-1), (away / cell).square().sum(-1).argmin()
            near[nearest] = True
            which[i, near] = k
            around = torch.exp(-0.5 * (away / torch.maximum(SPREAD * box[2:], 0.5 * cell)).square().sum(-1))
            around[nearest] = 1.0
            centres[i] = torch.maximum(centres[i], around)
        on = which[i] >= 0
        labels[i, on], boxes[i, on] = target.labels[which[i, on]], target.boxes[which[i, on]]
    return Assigned(which >= 0, labels, boxes, centres)


def _drawn(on: Bool[Tensor, "n t"], extra: int) -> Int[Tensor, "n extra"]:
    """Tokens on objects, `extra` a scene, some of them several times; any token where none is on an object."""
    return torch.multinomial(on.float() + (~on.any(1, keepdim=True)).float(), extra, replacement=True)


def _centre_loss(logits: Float[Tensor, "n t"], centres: Float[Tensor, "n t"]) -> Tensor:
    """The focal loss of CornerNet (Law and Deng, arXiv 1808.01244, equation 1), milder around centres."""
    p, at = logits.sigmoid(), centres == 1
    right = (1 - p) ** 2 * functional.logsigmoid(logits) * at
    wrong = (1 - centres) ** 4 * p**2 * functional.logsigmoid(-logits) * ~at
    return -(right + wrong).sum() / max(1, int(at.sum()))


def _token_loss(pupil: TrainingModel, proposals: Proposals, assigned: Assigned) -> Tensor:
    on = assigned.on
    logits, boxes = pupil.token_class(proposals.tokens[on]), proposals.boxes[on]
    label = functional.cross_entropy(logits, assigned.labels[on], reduction="sum") / max(1, len(logits))
    return label + _box_loss(boxes, assigned.boxes[on])


def _given_loss(given: DetectionOutput, assigned: Assigned, drawn: Int[Tensor, "n extra"]) -> Tensor:
    """The terms of the criterion for queries whose objects are known."""
    rows = torch.arange(len(drawn))[:, None]
    on = assigned.on[rows, drawn]
    logits, labels = given.logits[on], assigned.labels[rows, drawn][on]
    true = functional.one_hot(labels, logits.shape[-1]).to(logits)
    p = logits.sigmoid()
    off = p * (1 - true) + (1 - p) * true
    weights = (CRITERION.alpha * true + (1 - CRITERION.alpha) * (1 - true)) * off**CRITERION.gamma
    label = (weights * functional.binary_cross_entropy_with_logits(logits, true, reduction="none")).sum()
    return CRITERION.label * label / max(1, len(logits)) + _box_loss(given.boxes[on], assigned.boxes[rows, drawn][on])


def _box_loss(boxes: Float[Tensor, "m 4"], truth: Float[Tensor, "m 4"]) -> Tensor:
    _, giou = overlaps(to_corners(boxes), to_corners(truth))
    l1 = (boxes - truth).abs().sum()
    return (CRITERION.l1 * l1 + CRITERION.giou * (1 - giou).sum()) / max(1, len(boxes))


def _split(layer: Decoded, sizes: list[int]) -> list[tuple[Tensor, Tensor, Tensor]]:
    parts = (part.split(sizes, dim=1) for part in (layer.features, layer.logits, layer.boxes))
    return [(features, logits, boxes) for features, logits, boxes in zip(*parts, strict=True)]
