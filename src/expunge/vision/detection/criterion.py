"""The set criterion: queries are matched with objects, and each is asked for the class and the box of its match.

DETR: Carion et al., arXiv 2005.12872, section 3.1. With the focal loss (Lin et al., arXiv 1708.02002, equation 5):
Deformable DETR, arXiv 2010.04159. With the varifocal loss (Zhang et al., arXiv 2008.13367, equation 2): RT-DETR, arXiv
2304.08069. Of the last decoder layer alone: losses at earlier layers help a detector to learn, and say nothing more of
what it finds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from expunge.errors import DetectionError
from expunge.vision.detection.boxes import overlaps, to_corners
from expunge.vision.detection.matching import Costs, Match, Matched, match, matched
from expunge.vision.detection.output import DetectionOutput, Kind
from expunge.vision.detection.targets import Target

Classify = Literal["cross-entropy", "focal", "varifocal"]


@dataclass(frozen=True, slots=True)
class SetLoss:
    """The terms of the criterion, weighted; their sum is the loss.

    Attributes:
        label: Of the classes, over all queries.
        l1: Absolute differences of the boxes, over the matched queries.
        giou: One minus the generalised overlap, over the matched queries.
    """

    label: Float[Tensor, ""]
    l1: Float[Tensor, ""]
    giou: Float[Tensor, ""]

    @property
    def total(self) -> Float[Tensor, ""]:
        """The loss."""
        return self.label + self.l1 + self.giou


@dataclass(frozen=True, slots=True)
class Criterion:
    """Criterion that a detector was trained with.

    Attributes:
        classify: The loss of the classes: "cross-entropy" over classes and "no object", or "focal" or "varifocal" for
            each class alone.
        costs: How queries are matched.
        label: Weight of the loss of the classes.
        l1: Weight of the absolute differences.
        giou: Weight of the generalised overlap.
        no_object: Weight of "no object" in the cross-entropy.
        alpha: Weight of the true class in the focal loss, of other classes in the varifocal loss.
        gamma: Exponent of the focal and the varifocal loss.
    """

    classify: Classify = "cross-entropy"
    costs: Costs = field(default_factory=Costs)
    label: float = 1.0
    l1: float = 5.0
    giou: float = 2.0
    no_object: float = 0.1
    alpha: float = 0.25
    gamma: float = 2.0

    def match(self, output: DetectionOutput, targets: Sequence[Target]) -> tuple[Match, ...]:
        """Assignment of queries to objects.

        Raises:
            DetectionError: Targets and output do not fit together.
            MissingExtraError: scipy is not installed.
        """
        return match(output, targets, self.costs)

    def loss(self, output: DetectionOutput, targets: Sequence[Target]) -> SetLoss:
        """The loss of a batch, divided by the number of its objects where terms are sums.

        Args:
            output: What the detector found.
            targets: What is there, image by image; an image may be empty.

        Raises:
            DetectionError: Targets and output do not fit together.
            MissingExtraError: scipy is not installed.
        """
        found = matched(output, targets, matches := self.match(output, targets))
        objects = max(1, sum(len(target) for target in targets))
        iou, giou = overlaps(to_corners(found.boxes.float()), to_corners(found.truth.float()))
        queries = torch.cat([m.queries for m in matches]) if matches else torch.zeros(0, dtype=torch.int64)
        return SetLoss(
            label=self.label * self._label_loss(output, found, queries.to(found.labels.device), iou.detach(), objects),
            l1=self.l1 * functional.l1_loss(found.boxes.float(), found.truth.float(), reduction="sum") / objects,
            giou=self.giou * (1 - giou).sum() / objects,
        )

    def _label_loss(
        self, output: DetectionOutput, found: Matched, queries: Tensor, iou: Tensor, objects: int
    ) -> Tensor:
        logits, where = output.logits.float(), (found.images, queries)
        if self.classify == "cross-entropy":
            wanted = torch.full(logits.shape[:2], logits.shape[-1] - 1, device=logits.device)
            wanted[where] = found.labels
            weights = torch.ones(logits.shape[-1], device=logits.device)
            weights[-1] = self.no_object
            return functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), weights)
        true, wanted = torch.zeros_like(logits), torch.zeros_like(logits)
        true[(*where, found.labels)] = 1.0
        wanted[(*where, found.labels)] = iou if self.classify == "varifocal" else 1.0
        p = logits.sigmoid()
        if self.classify == "varifocal":
            weights = (self.alpha * p**self.gamma * (1 - true)).detach() + wanted
        else:
            off = p * (1 - true) + (1 - p) * true
            weights = (self.alpha * true + (1 - self.alpha) * (1 - true)) * off**self.gamma
        return (weights * functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")).sum() / objects


_BOX_COSTS = {"label": "class_cost", "l1": "bbox_cost", "giou": "giou_cost"}
_BOX_TERMS = {"l1": "bbox_loss_coefficient", "giou": "giou_loss_coefficient"}
_RT_DETR_COSTS = {
    "label": "matcher_class_cost",
    "l1": "matcher_bbox_cost",
    "giou": "matcher_giou_cost",
    "alpha": "matcher_alpha",
    "gamma": "matcher_gamma",
}
_RT_DETR_TERMS = {
    "label": "weight_loss_vfl",
    "l1": "weight_loss_bbox",
    "giou": "weight_loss_giou",
    "alpha": "focal_loss_alpha",
    "gamma": "focal_loss_gamma",
}


def criterion_of(config: object, kind: Kind) -> Criterion:
    """The criterion that the configuration of a transformers detector describes.

    Raises:
        DetectionError: It describes none that is known.
    """

    def read(names: dict[str, str]) -> dict[str, float]:
        return {ours: float(getattr(config, theirs)) for ours, theirs in names.items()}

    try:
        if kind == "softmax":
            costs = Costs("probability", **read(_BOX_COSTS))
            return Criterion("cross-entropy", costs, **read(_BOX_TERMS | {"no_object": "eos_coefficient"}))
        if hasattr(config, "weight_loss_vfl"):
            return Criterion("varifocal", Costs("focal", **read(_RT_DETR_COSTS)), **read(_RT_DETR_TERMS))
        costs = Costs("focal", **read(_BOX_COSTS))
        return Criterion("focal", costs, **read(_BOX_TERMS | {"alpha": "focal_alpha"}))
    except AttributeError as error:
        raise DetectionError(
            f"The detector's configuration describes no set criterion ({error}); hand over `criterion=`."
        ) from error
