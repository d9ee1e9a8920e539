"""Exponential moving average of weights over the last part of a training (GS-LoRA++)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor


class WeightAverage:
    """`average ← decay · average + (1 - decay) · weights`, from a point of the training on; it starts as their copy."""

    def __init__(self, parameters: Sequence[Tensor], *, decay: float, start: float):
        """Averages `parameters`; `start` is the fraction of the training after which averaging begins."""
        self._parameters = parameters
        self._decay = decay
        self._start = start
        self._average: list[Tensor] | None = None

    @torch.no_grad()
    def update(self, done: float) -> None:
        """Takes the weights in; `done` is the fraction of the training behind us."""
        if done < self._start:
            return
        if self._average is None:
            self._average = [p.detach().clone() for p in self._parameters]
            return
        for average, parameter in zip(self._average, self._parameters, strict=True):
            average.lerp_(parameter, 1 - self._decay)
            average.masked_fill_(parameter == 0, 0.0)  # a pruned group stays pruned

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Puts the averages in place of the weights while the context lasts, if there are any yet."""
        if self._average is None:
            yield
            return
        with torch.no_grad():
            kept = [p.detach().clone() for p in self._parameters]
            for parameter, average in zip(self._parameters, self._average, strict=True):
                parameter.copy_(average)
        try:
            yield
        finally:
            with torch.no_grad():
                for parameter, value in zip(self._parameters, kept, strict=True):
                    parameter.copy_(value)
