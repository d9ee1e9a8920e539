"""Teacher: outputs of the model for images before a method changed it."""

from collections.abc import Iterable

import torch

from expunge.data import Sample
from expunge.tasks.classification.batches import Batch, outputs_as_trained
from expunge.tasks.classification.context import Context
from expunge.tasks.request import ForgetTask
from expunge.vision import Output


class Teacher:
    """Embeddings and logits of every image of a request, frozen at the moment of creation.

    Each image in the precision in which the student is compared with it, or the two would differ from the start:
    training images in that of training steps, validation images in that of the judge.
    """

    def __init__(self, context: Context, task: ForgetTask):
        """Runs the model once over the forget, retain and validation images."""
        cache = context.activations
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


def first_rows(samples: Iterable[Sample]) -> dict[Sample, int]:
    """First row of each sample."""
    rows: dict[Sample, int] = {}
    for row, sample in enumerate(samples):
        rows.setdefault(sample, row)
    return rows
