"""Prototypes: the mean embedding of each class under the original model."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from expunge.data import Images, augment
from expunge.vision import ActivationCache


@dataclass(frozen=True, eq=False)
class Prototypes:
    """One mean embedding a class.

    Attributes:
        values: (classes, d); a row of zeros where a class had no image.
        counts: (classes,) embeddings behind each row.
    """

    values: Float[Tensor, "classes d"]
    counts: Int[Tensor, " classes"]

    @property
    def known(self) -> Bool[Tensor, " classes"]:
        """Mask of the classes that have a prototype."""
        return self.counts > 0


def mean_embeddings(embeddings: Float[Tensor, "n d"], labels: Int[Tensor, " n"], classes: int) -> Prototypes:
    """Averages embeddings by class, in float64."""
    sums = torch.zeros(classes, embeddings.shape[1], dtype=torch.float64)
    sums.index_add_(0, labels, embeddings.to(torch.float64))
    counts = torch.bincount(labels, minlength=classes)
    return Prototypes((sums / counts.clamp(min=1)[:, None]).float(), counts)


def compute_prototypes(activations: ActivationCache, images: Images, *, enough: int = 8, seed: int = 0) -> Prototypes:
    """Prototypes of all classes in `images` under the model as it stands.

    A class with fewer than `enough` images is averaged over augmented copies of them as well, as GS-LoRA++ does for
    few-shot requests (arXiv 2501.09705): as many of each image as bring the class to `enough` embeddings.
    """
    parts = [images]
    for label, count in enumerate(images.counts()):
        if 0 < count < enough:
            parts.append(augment(images.only([label]), math.ceil(enough / count) - 1, seed))
    every = Images(
        tuple(sample for part in parts for sample in part.samples),
        tuple(label for part in parts for label in part.labels),
        images.classes,
    )
    labels = torch.tensor(every.labels, dtype=torch.int64)
    return mean_embeddings(activations.outputs(every).embedding, labels, len(images.classes))
