"""Keeps the state that does best on the validation data."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from expunge.tasks.trainable import Score


class BestState:
    """Copies of the trained parameters at the best validation score so far; of equal scores the later state is kept.

    Without validation data all scores are equal, and the last state is kept.
    """

    def __init__(self, parameters: Sequence[Tensor], judge: Callable[[], Score]):
        """`judge` scores the parameters as they are at the time."""
        self._parameters = parameters
        self._judge = judge
        self._best = (-1.0, 0.0)
        self._state: list[Tensor] | None = None

    @torch.no_grad()
    def consider(self) -> None:
        """Keeps the present state if no earlier one was better."""
        score = self._judge()
        if score >= self._best:
            self._best = score
            self._state = [p.detach().clone() for p in self._parameters]

    @torch.no_grad()
    def restore(self) -> None:
        """Puts the kept state back into the parameters."""
        if self._state is not None:
            for parameter, value in zip(self._parameters, self._state, strict=True):
                parameter.copy_(value)
