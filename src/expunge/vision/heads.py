"""Heads of classifiers: the loss that belongs to their logits.

A margin makes training harder on purpose. It belongs to the loss alone: evaluation reads the plain logits, so
that a class is never called forgotten merely because a margin was taken from it.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from expunge.errors import HeadError

STRUCK_LOGIT = -1e4
"""Logit of a struck class: softmax gives it exactly 0, and it is finite in every floating-point format in use."""


@dataclass(frozen=True, slots=True)
class SoftmaxHead:
    """A linear classifier trained with cross-entropy."""

    kind: ClassVar[str] = "softmax"

    def loss(self, logits: Float[Tensor, "n c"], labels: Int[Tensor, "n"]) -> Float[Tensor, ""]:
        """Mean cross-entropy in nats."""
        return functional.cross_entropy(logits, labels)


@dataclass(frozen=True, slots=True)
class CosFaceHead:
    """A cosine classifier trained with an additive cosine margin.

    Wang et al., CosFace, arXiv 1801.09414, equation 4: the true class's cosine is lowered by `margin`.

    Attributes:
        scale: What cosines are multiplied by to become logits.
        margin: What is taken from the true class's cosine in training.

    Raises:
        HeadError: `scale` is not above 0, or `margin` is below 0.
    """

    scale: float = 64.0
    margin: float = 0.35
    kind: ClassVar[str] = "cosface"

    def __post_init__(self) -> None:
        _check(self.scale, self.margin)

    def loss(self, logits: Float[Tensor, "n c"], labels: Int[Tensor, "n"]) -> Float[Tensor, ""]:
        """Mean cross-entropy in nats after the margin.

        Args:
            logits: Scaled cosines without any margin.
            labels: Index of each image's class.
        """
        margins = torch.zeros_like(logits).scatter(1, labels[:, None].long(), self.scale * self.margin)
        return functional.cross_entropy(logits - margins, labels)


@dataclass(frozen=True, slots=True)
class ArcFaceHead:
    """A cosine classifier trained with an additive angular margin.

    Deng et al., ArcFace, arXiv 1801.07698, equation 3: `margin` is added to the true class's angle. Beyond
    pi - margin, where cos(angle + margin) would rise again, the cosine is lowered by margin * sin(margin).

    Attributes:
        scale: What cosines are multiplied by to become logits.
        margin: What is added to the true class's angle in training, in radians.

    Raises:
        HeadError: `scale` is not above 0, or `margin` is below 0.
    """

    scale: float = 64.0
    margin: float = 0.5
    kind: ClassVar[str] = "arcface"

    def __post_init__(self) -> None:
        _check(self.scale, self.margin)

    def loss(self, logits: Float[Tensor, "n c"], labels: Int[Tensor, "n"]) -> Float[Tensor, ""]:
        """Mean cross-entropy in nats after the margin.

        Args:
            logits: Scaled cosines without any margin.
            labels: Index of each image's class.
        """
        index = labels[:, None].long()
        logits = logits.float()
        cos = logits.gather(1, index) / self.scale
        sin = (1 - cos.square()).clamp_min(1e-12).sqrt()  # the root has no gradient at 0
        turned = cos * math.cos(self.margin) - sin * math.sin(self.margin)
        lowered = cos - self.margin * math.sin(self.margin)
        target = torch.where(cos > -math.cos(self.margin), turned, lowered)
        return functional.cross_entropy(logits.scatter(1, index, self.scale * target), labels)


Head = SoftmaxHead | CosFaceHead | ArcFaceHead

_KINDS: dict[str, type[Head]] = {head.kind: head for head in (SoftmaxHead, CosFaceHead, ArcFaceHead)}


def head_to_json(head: Head) -> dict[str, Any]:
    """A head as plain values, such as `{"kind": "cosface", "scale": 64.0, "margin": 0.35}`."""
    return {"kind": head.kind, **asdict(head)}


def head_from_json(values: dict[str, Any]) -> Head:
    """The head that `head_to_json` described.

    Raises:
        HeadError: The kind is unknown, or the settings are not that kind's.
    """
    settings = dict(values)
    kind = settings.pop("kind", None)
    if kind not in _KINDS:
        raise HeadError(f"Expected a head of kind {', '.join(_KINDS)}; got {kind!r}.")
    try:
        return _KINDS[kind](**settings)
    except TypeError as error:
        raise HeadError(f"A {kind} head cannot have the settings {settings}: {error}.") from error


def _check(scale: float, margin: float) -> None:
    if not (scale > 0 and margin >= 0):
        raise HeadError(f"Expected a scale above 0 and a margin of 0 or more; got {scale} and {margin}.")
