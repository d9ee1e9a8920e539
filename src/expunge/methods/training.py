"""The training loop that all trained methods share, so that each gets the same data, steps and selection.

AdamW with a cosine schedule; one retain batch and one forget batch a step, an epoch being one pass over the retain
set; the state that the validation data like best is kept. Images and scenes go through the same loop.
"""

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice

import torch
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from expunge.errors import MethodError
from expunge.methods._checks import refuse_empty
from expunge.methods._settings import Settings
from expunge.tasks import B, Progress, Score, T, Trainable
from expunge.vision import Wrapped


@dataclass(frozen=True)
class Training(Settings):
    """The settings and the loop that trained methods have in common.

    Attributes:
        last_blocks: Edit only this many of the last blocks; 0 edits all.
        epochs: Passes over the retain set, unless `max_steps` ends the training before.
        max_steps: Steps at the most; 0 sets no limit.
        batch_size: Images or scenes of each kind a step.
        lr: Learning rate at the start.
        min_lr: Learning rate at the end of the cosine; it stays at `lr` where that is lower.
        weight_decay: AdamW's, decoupled.
        validate_every: Epochs between looks at the validation data.
    """

    last_blocks: NonNegativeInt = 0
    epochs: PositiveInt = 30
    max_steps: NonNegativeInt = 200
    batch_size: PositiveInt = 16
    lr: PositiveFloat = 1e-2
    min_lr: NonNegativeFloat = 1e-5
    weight_decay: NonNegativeFloat = 0.05
    validate_every: PositiveInt = 1

    def first_block(self, model: Wrapped) -> int:
        """The lowest block edited."""
        return lowest_block(model, self.last_blocks)

    def fit(
        self,
        context: Trainable[T, B],
        task: T,
        parameters: Sequence[Tensor],
        objective: Callable[[B, B], Tensor],
        *,
        penalty: Callable[[float], Tensor | None] = lambda done: None,
        before_step: Callable[[], None] = lambda: None,
        after_step: Callable[[float, float], None] = lambda done, lr: None,
        average: "WeightAverage | None" = None,
    ) -> None:
        """Trains `parameters` in place and leaves them at their best state on the validation data.

        Args:
            context: The model and what training asks of it.
            task: The request.
            parameters: What is trained; whatever else the model holds stays frozen.
            objective: The data loss of a retain batch and a forget batch.
            penalty: Given the fraction of the training that is done, a further loss or None.
            before_step: Called between backward and the optimizer's step; may change gradients.
            after_step: Given the fraction done and the learning rate, called after the step; may change weights.
            average: Replaces the weights wherever they are judged or kept.

        Raises:
            MethodError: There is nothing to forget or nothing to keep.
            MissingExtraError: scipy is not installed, which matches queries with objects.
        """
        refuse_empty(task)
        batches = paired_batches(len(task.retain), len(task.forget), self.batch_size, context.seed)
        per_epoch = max(1, math.ceil(len(task.retain) / self.batch_size))
        total = min(self.epochs * per_epoch, self.max_steps or sys.maxsize)
        optimizer = torch.optim.AdamW(parameters, lr=self.lr, weight_decay=self.weight_decay)
        lowest = min(self.min_lr, self.lr)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total, eta_min=lowest)
        best = BestState(parameters, context.judge(task, objective))

        for step, (retain, forget) in enumerate(islice(batches, total), start=1):
            done = step / total
            loss = objective(*context.batches(task, retain, forget))
            extra = penalty(done)
            optimizer.zero_grad()
            (loss if extra is None else loss + extra).backward()
            before_step()
            optimizer.step()
            after_step(done, float(schedule.get_last_lr()[0]))
            schedule.step()
            epoch, rest = divmod(step, per_epoch)
            if average and rest == 0:
                average.update(done)
            if step == total or (rest == 0 and epoch % self.validate_every == 0):
                with average.applied() if average else nullcontext():
                    best.consider()
            context.report(Progress(step, total, f"loss {loss.item():.2f}"))
        best.restore()


def lowest_block(model: Wrapped, last_blocks: int) -> int:
    """Index of the lowest of a model's `last_blocks` last blocks; 0 stands for all of them.

    Raises:
        NoBlocksError: The model has none that can be edited.
    """
    model.refuse_fixed()
    return max(0, len(model.blocks) - last_blocks) if last_blocks else 0


def shuffled_batches(n: int, size: int, generator: torch.Generator) -> Iterator[list[int]]:
    """Endless batches over `range(n)`, reshuffled after each pass; the last batch of a pass may be smaller.

    Raises:
        MethodError: `n` is 0: there would be nothing to train on.
    """
    if n < 1:
        raise MethodError("there is no image to train on: give at least one of what is forgotten and of what stays")
    while True:
        order = torch.randperm(n, generator=generator).tolist()
        for start in range(0, n, size):
            yield order[start : start + size]


def paired_batches(retain: int, forget: int, size: int, seed: int) -> Iterator[tuple[list[int], list[int]]]:
    """Endless pairs of one retain batch and one forget batch, each kind shuffled by its own generator."""
    first = shuffled_batches(retain, size, torch.Generator().manual_seed(seed))
    second = shuffled_batches(forget, size, torch.Generator().manual_seed(seed + 1))
    return zip(first, second, strict=False)


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
