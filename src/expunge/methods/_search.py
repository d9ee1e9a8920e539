"""Picks among a few ready-made states of the weights, for methods that train nothing but have a constant to choose.

The judge is the one that chooses the state of trained methods, so no method sees more of the validation split than
another.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from expunge.data import Images
from expunge.methods._losses import forget_term
from expunge.methods.training import BestState
from expunge.tasks import ForgetTask, Progress
from expunge.tasks.classification import Batch, Context


@torch.no_grad()
def keep_best(
    context: Context, task: ForgetTask[Images], parameters: Sequence[Tensor], candidates: Iterable[Callable[[], None]]
) -> None:
    """Tries every candidate and leaves `parameters` as the best one made them.

    The score is H on the validation split, or on the training images where there is no split; ties go to the lower sum
    of the retained images' loss and the bounded forget loss, then to the later candidate.

    Args:
        context: The model.
        task: The request.
        parameters: Everything that a candidate may write to.
        candidates: Each writes one state into `parameters`.
    """
    forgotten = forget_term(context, beta=1.0, bound=0.0)

    def objective(retain: Batch, forget: Batch) -> Tensor:
        return context.retain_loss(retain) + forgotten(forget)

    judged = task if len(task.validation) else replace(task, validation=task.forget + task.retain)
    best = BestState(parameters, context.judge(judged, objective))
    tried = list(candidates)
    for number, candidate in enumerate(tried, start=1):
        candidate()
        best.consider()
        context.report(Progress(number, len(tried), "judged on validation images"))
    best.restore()
