"""Budget of data for a method: carried whole from whoever asks to whoever cuts it out."""

from dataclasses import dataclass
from typing import Any

from expunge.data import E, Splits
from expunge.tasks.plan import Plan
from expunge.tasks.protocol import Task
from expunge.tasks.request import Available


@dataclass(frozen=True, slots=True)
class Budget:
    """The part of the data that methods may see.

    Attributes:
        shots: Training examples a class; None for all there are.
        missing: Names of retained classes of which methods may see nothing.
        replay: Part of the retained classes' training examples.
        partial: Whether the data may lack some of the model's classes.
    """

    shots: int | None = None
    missing: tuple[str, ...] = ()
    replay: float = 1.0
    partial: bool = False


def available(task: Task[Any, E], data: Splits[E], plan: Plan, budget: Budget, *, seed: int) -> Available[E]:
    """Cuts out what methods may see under `plan`; `plan.missing` says which classes lack everything.

    `budget.replay` thins out what stays; a class keeps all of its examples for the request that names it.

    Raises:
        TooFewImagesError: A class has fewer training examples than `budget.shots`.
    """
    train, validation = (task.untouched_by(part, plan.missing) for part in (data.train, data.validation))
    if budget.shots is not None:
        train = task.few_shot(train, budget.shots, seed)
    kept = task.replay(train, budget.replay, seed) if budget.replay < 1.0 else train
    return Available(train, kept, validation)
