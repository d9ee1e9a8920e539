"""Keeps the state that does best on the validation split. Test data never comes near."""

from collections.abc import Sequence

import torch
from torch import Tensor

from expunge.data import Images
from expunge.methods.protocol import ForgetTask
from expunge.vision import ActivationCache


class BestState:
    """Copies of the trained parameters at the best validation score so far.

    The score is H = 2 · Acc_r · Drop / (Acc_r + Drop) on the validation split, the measure of the papers; where two
    states tie, the later one is kept, as it has trained longer. Without validation images the last state is kept.
    """

    def __init__(self, activations: ActivationCache, task: ForgetTask, parameters: Sequence[Tensor]):
        """Measures the state before training, to know the drop."""
        self._activations = activations
        self._forget = task.validation.only(task.targets)
        self._retain = task.validation.without(task.targets).without(task.forgotten)
        self._parameters = parameters
        self._score = -1.0
        self._state: list[Tensor] | None = None
        self._before = self._accuracy(self._forget)

    def _accuracy(self, images: Images) -> float:
        if not len(images):
            return 0.0
        logits = self._activations.outputs(images).logits
        return float((logits.argmax(dim=1) == torch.tensor(images.labels)).float().mean())

    def score(self) -> float:
        """H of the present state, 0 to 1; retained accuracy alone where the targets have no validation images."""
        retained = self._accuracy(self._retain)
        if not len(self._forget):
            return retained
        drop = max(0.0, self._before - self._accuracy(self._forget))
        return 2 * retained * drop / (retained + drop) if retained + drop else 0.0

    def consider(self) -> None:
        """Keeps the present state if no earlier one was better."""
        score = self.score()
        if score >= self._score:
            self._score = score
            self._state = [p.detach().clone() for p in self._parameters]

    @torch.no_grad()
    def restore(self) -> None:
        """Puts the kept state back into the parameters."""
        if self._state is not None:
            for parameter, value in zip(self._parameters, self._state, strict=True):
                parameter.copy_(value)
