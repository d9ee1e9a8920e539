"""The training loop that all trained methods share, so that each gets the same data, steps and selection.

AdamW with a cosine schedule; one retain batch and one forget batch a step, an epoch being one pass over the retain
set; the state that the validation data like best is kept. Images and scenes go through the same loop.
"""

import math
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from expunge.methods.average import WeightAverage
from expunge.methods.batches import paired_batches
from expunge.methods.checks import refuse_empty, refuse_negative, refuse_non_finite, refuse_zero_or_less
from expunge.methods.last_blocks import lowest_block
from expunge.methods.selection import BestState
from expunge.tasks.request import Progress
from expunge.tasks.trainable import B, T, Trainable
from expunge.vision.wrapped import Wrapped


@dataclass(frozen=True)
class Training:
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

    last_blocks: int = 0
    epochs: int = 30
    max_steps: int = 200
    batch_size: int = 16
    lr: float = 1e-2
    min_lr: float = 1e-5
    weight_decay: float = 0.05
    validate_every: int = 1

    def __post_init__(self) -> None:
        """Refuses settings that cannot work."""
        refuse_non_finite(self)
        refuse_zero_or_less(self, "epochs", "batch_size", "lr", "validate_every")
        refuse_negative(self, "last_blocks", "max_steps", "min_lr", "weight_decay")

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
        average: WeightAverage | None = None,
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
