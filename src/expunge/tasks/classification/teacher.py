"""What the model made of images before a method changed it."""

import torch

from expunge.data import Images, Sample
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
        self._rows: dict[int, int] = {}
        self._samples: list[Sample] = []  # held so that the ids stay unique
        outputs = [self._take(part, context, trained=True) for part in (task.forget, task.retain) if len(part)]
        if len(task.validation):
            outputs.append(self._take(task.validation, context, trained=False))
        self._embedding = torch.cat([output.embedding for output in outputs])
        self._logits = torch.cat([output.logits for output in outputs])

    def _take(self, images: Images, context: Context, *, trained: bool) -> Output:
        for sample in images.samples:
            self._rows.setdefault(id(sample), len(self._samples))
            self._samples.append(sample)
        cache = context.activations
        return outputs_as_trained(cache, images) if trained else cache.outputs(images)

    def output(self, batch: Batch) -> Output:
        """The frozen embeddings and logits of the batch's images, on the batch's device."""
        rows = [self._rows[id(sample)] for sample in batch.samples]
        device = batch.labels.device
        return Output(self._embedding[rows].to(device), self._logits[rows].to(device))
