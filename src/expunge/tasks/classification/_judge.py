"""Judges a state of a classifier on the validation split. Test data never comes near."""

import torch

from expunge.data import Images
from expunge.tasks.classification.batches import Batch, Objective
from expunge.tasks.request import ForgetTask
from expunge.tasks.scores import harmonic_mean
from expunge.vision import ActivationCache


class ImageJudge:
    """H = 2 · Acc_r · Drop / (Acc_r + Drop) on the validation split, the measure of the papers, and a tie-breaker.

    A small split has few values of H, so ties are common; among them the state with the lowest objective on the split
    wins, the loss that the method trains with.
    """

    def __init__(self, activations: ActivationCache, task: ForgetTask, objective: Objective):
        """Measures the state before training, to know the drop."""
        self._activations = activations
        self._forget = task.validation.only(task.targets)
        self._retain = task.validation.without(task.targets).without(task.forgotten)
        self._objective = objective
        self._before = _accuracy(self._batch(self._forget))

    def _batch(self, images: Images) -> Batch | None:
        if not len(images):
            return None
        return Batch(images.samples, torch.tensor(images.labels), self._activations.outputs(images))

    def __call__(self) -> tuple[float, float]:
        """H of the present state in percent, and minus the objective; greater is better.

        Where the targets or what stays have no validation images, the accuracy of the others stands alone.
        """
        retain, forget = self._batch(self._retain), self._batch(self._forget)
        drop = max(0.0, self._before - _accuracy(forget))
        retained = _accuracy(retain)
        if retain is None or forget is None:
            return 100 * (retained + drop), 0.0
        return 100 * harmonic_mean(retained, drop), -float(self._objective(retain, forget))


def _accuracy(batch: Batch | None) -> float:
    """Accuracy, 0 to 1; 0 where there are no images."""
    return 0.0 if batch is None else float((batch.output.logits.argmax(dim=1) == batch.labels).float().mean())
