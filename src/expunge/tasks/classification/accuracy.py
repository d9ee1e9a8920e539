"""Accuracy, of all images or of some classes, and the numbers made from it.

Definitions: Zhao et al., "Continual Forgetting for Pre-trained Vision Models" (GS-LoRA), CVPR 2024,
arXiv 2403.11530, evaluation metrics. Accuracy here never has a margin: a cosine head is asked which class it
ranks first, and labels take no part in the logits.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from expunge.errors import EvidenceError
from expunge.intervals import wilson
from expunge.tasks.scores import Share
from expunge.values import Interval, Rate


def accuracy(logits: Float[Tensor, "n c"], labels: Int[Tensor, "n"]) -> Rate:
    """Share of images whose true class is ranked first.

    An image counts as right only if the logit of its class is above every other one. A tie is wrong,
    and so is a NaN: a model that says the same of every class knows nothing and scores 0, wherever
    the class stands in the list. Give float32 logits, for in bfloat16 close logits turn into ties.

    Args:
        logits: One row an image, one column a class.
        labels: The true class of each image, as a column of `logits`.

    Raises:
        EvidenceError: A label is no column of `logits`.
    """
    right = _right(logits, labels)
    return Rate(int(right.sum()), len(labels))


def accuracy_of(logits: Float[Tensor, "n c"], labels: Int[Tensor, "n"], classes: Collection[int]) -> Rate:
    """Accuracy over the images of some classes; the ranking is still among all columns.

    With the classes of the current request this is Acc_f, with those that stay Acc_r, with those of
    earlier requests Acc_o, with those that stay but had no images Acc_m.

    Args:
        logits: One row an image, one column a class.
        labels: The true class of each image, as a column of `logits`.
        classes: The classes whose images count.

    Raises:
        EvidenceError: A label is no column of `logits`.
    """
    chosen = torch.isin(labels, torch.tensor(sorted(classes), dtype=labels.dtype, device=labels.device))
    return accuracy(logits[chosen], labels[chosen])


def per_class(logits: Float[Tensor, "n c"], labels: Int[Tensor, "n"], n_classes: int) -> tuple[Rate, ...]:
    """Accuracy of each class by itself, in class order.

    Args:
        logits: One row an image, one column a class.
        labels: The true class of each image, as a column of `logits`.
        n_classes: Number of rates returned; a class without images gets a rate of 0 out of 0.

    Raises:
        EvidenceError: A label is no column of `logits`, or not below `n_classes`.
    """
    right = _right(logits, labels)
    _check_labels(labels, n_classes)
    trials = torch.bincount(labels.long(), minlength=n_classes).tolist()
    hits = torch.bincount(labels[right].long(), minlength=n_classes).tolist()
    return tuple(Rate(hit, n) for hit, n in zip(hits, trials, strict=True))


def worst(rates: Iterable[Rate]) -> Rate | None:
    """The class that a model knows best of several that it should not know.

    Of classes with the same rate it is the one with the fewest trials, of which least is known.

    Args:
        rates: One a class; those without a trial are left out.

    Returns:
        Its rate; None where fewer than two classes have a trial, as one alone is what the rate over all says.
    """
    known = [rate for rate in rates if rate.n]
    return max(known, key=lambda rate: (rate.percent, -rate.n)) if len(known) > 1 else None


def mask_classes(logits: Float[Tensor, "n c"], classes: Collection[int]) -> Float[Tensor, "n c"]:
    """The head mask: the columns of some classes at minus infinity, so that they are never ranked first.

    It takes no training and no data, and it erases nothing: what the features know of a class stays.
    It is therefore the anchor beside which every edit is shown.

    Args:
        logits: One row an image, one column a class. Left as it is.
        classes: The columns to mask.
    """
    masked = logits.clone()
    masked[:, sorted(classes)] = float("-inf")
    return masked


@dataclass(frozen=True, eq=False)
class Accuracies:
    """The accuracy of one model on its test images, with Wilson's intervals.

    Attributes:
        logits: One row an image.
        labels: The true class of each image, as a column of `logits`.
    """

    logits: Float[Tensor, "n c"]
    labels: Int[Tensor, " n"]

    counted: ClassVar[str] = "test images"

    def rate(self, classes: Collection[int] | None = None) -> Share:
        """The share of images whose class is ranked first."""
        found = self._rate(classes)
        return Share(found.percent, found.n)

    def interval(self, classes: Collection[int], percent: float) -> Interval:
        """Wilson's interval."""
        found = self._rate(classes)
        return wilson(found.hits, found.n)

    def _rate(self, classes: Collection[int] | None) -> Rate:
        return accuracy(self.logits, self.labels) if classes is None else accuracy_of(self.logits, self.labels, classes)


def _right(logits: Float[Tensor, "n c"], labels: Int[Tensor, "n"]) -> Bool[Tensor, "n"]:
    _check_labels(labels, logits.shape[1])
    own = labels.long().unsqueeze(1)
    rivals = logits.scatter(1, own, float("-inf")).amax(dim=1)
    return logits.gather(1, own).squeeze(1) > rivals


def _check_labels(labels: Int[Tensor, "n"], n_classes: int) -> None:
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < n_classes:
        raise EvidenceError(
            f"Expected labels from 0 to {n_classes - 1}, got {int(labels.min())} to {int(labels.max())}. "
            "Align the images with the model's classes first."
        )
