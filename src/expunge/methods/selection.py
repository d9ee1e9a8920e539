"""Keeps the state that does best on the validation split. Test data never comes near."""

from collections.abc import Sequence

import torch
from torch import Tensor

from expunge.data import Images
from expunge.methods.protocol import Batch, ForgetTask, Objective
from expunge.vision import ActivationCache


class BestState:
    """Copies of the trained parameters at the best validation score so far.

    The score is H = 2 · Acc_r · Drop / (Acc_r + Drop) on the validation split, the measure of the papers. A small split
    has few values of H, so ties are common; among them the state with the lowest objective on the split wins, the loss
    that the method trains with. Without validation images the last state is kept.
    """

    def __init__(
        self, activations: ActivationCache, task: ForgetTask, parameters: Sequence[Tensor], objective: Objective
    ):
        """Measures the state before training, to know the drop."""
        self._activations = activations
        self._forget = task.validation.only(task.targets)
        self._retain = task.validation.without(task.targets).without(task.forgotten)
        self._parameters = parameters
        self._objective = objective
        self._best = (-1.0, 0.0)
        self._state: list[Tensor] | None = None
        self._before = _accuracy(self._batch(self._forget))

    def _batch(self, images: Images) -> Batch | None:
        if not len(images):
            return None
        return Batch(images.samples, torch.tensor(images.labels), self._activations.outputs(images))

    def score(self) -> tuple[float, float]:
        """H of the present state, 0 to 1, and minus the objective; greater is better.

        Where the targets or what stays have no validation images, the accuracy of the others stands alone.
        """
        retain, forget = self._batch(self._retain), self._batch(self._forget)
        drop = max(0.0, self._before - _accuracy(forget))
        retained = _accuracy(retain)
        if retain is None or forget is None:
            return retained + drop, 0.0
        h = 2 * retained * drop / (retained + drop) if retained + drop else 0.0
        return h, -float(self._objective(retain, forget))

    def consider(self) -> None:
        """Keeps the present state if no earlier one was better."""
        with torch.no_grad():
            score = self.score()
        if score >= self._best:
            self._best = score
            self._state = [p.detach().clone() for p in self._parameters]

    @torch.no_grad()
    def restore(self) -> None:
        """Puts the kept state back into the parameters."""
        if self._state is not None:
            for parameter, value in zip(self._parameters, self._state, strict=True):
                parameter.copy_(value)


def _accuracy(batch: Batch | None) -> float:
    """Accuracy, 0 to 1; 0 where there are no images."""
    return 0.0 if batch is None else float((batch.output.logits.argmax(dim=1) == batch.labels).float().mean())
