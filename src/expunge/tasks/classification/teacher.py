"""Teacher: outputs of the model for images before a method changed it."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from expunge.data import Sample
from expunge.tasks.classification.batches import Batch, outputs_as_trained
from expunge.tasks.request import ForgetTask
from expunge.vision import ActivationCache, Output


class Teacher:
    """Embeddings and logits of every image of a request, frozen at the moment of creation.

    Each image in the precision in which the student is compared with it, or the two would differ from the start:
    training images in that of training steps, validation images in that of the judge.
    """

    def __init__(self, cache: ActivationCache, task: ForgetTask):
        """Runs the model once over the forget, retain and validation images."""
        outputs = [outputs_as_trained(cache, part) for part in (task.forget, task.retain) if len(part)]
        if len(task.validation):
            outputs.append(cache.outputs(task.validation))
        self._embedding = torch.cat([output.embedding for output in outputs])
        self._logits = torch.cat([output.logits for output in outputs])
        self._rows = first_rows((*task.forget.samples, *task.retain.samples, *task.validation.samples))

    def output(self, batch: Batch) -> Output:
        """The frozen embeddings and logits of the batch's images, on the batch's device."""
        rows = [self._rows[sample] for sample in batch.samples]
        device = batch.labels.device
        return Output(self._embedding[rows].to(device), self._logits[rows].to(device))

    def pair(self, batch: Batch) -> tuple[Output, Output]:
        """What the model says now and said then of a batch's images."""
        return batch.output, self.output(batch)

    def softened(self, now: Output, old: Output, temperature: float) -> Float[Tensor, ""]:
        """See `softened_cross_entropy`."""
        return softened_cross_entropy(now.logits, old.logits, temperature)


def first_rows(samples: Iterable[Sample]) -> dict[Sample, int]:
    """First row of each sample."""
    rows: dict[Sample, int] = {}
    for row, sample in enumerate(samples):
        rows.setdefault(sample, row)
    return rows


def softened_cross_entropy(
    logits: Float[Tensor, "n c"], old: Float[Tensor, "n c"], temperature: float
) -> Float[Tensor, ""]:
    """Mean over images of `-Σ p' log q'` in nats, with p' and q' the softmax of `old / T` and `logits / T`.

    Source: Li and Hoiem, arXiv 1606.09282, eq. 2. Equation 3 takes probabilities to the power 1/T and norms them, which
    is the same.
    """
    return functional.cross_entropy(logits / temperature, functional.softmax(old / temperature, dim=1))
