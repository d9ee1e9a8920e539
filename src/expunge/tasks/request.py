"""Request, whatever the task: what goes, what stays, and what methods may see of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic

from expunge.data import E, Splits


@dataclass(frozen=True)
class ForgetTask(Generic[E]):
    """One request, as a method sees it.

    A picture with several objects may be in `forget` and in `retain`, with other boxes each time: what stays behind
    without a box is background.

    Attributes:
        targets: Indices of the classes to forget now.
        forgotten: Indices of the classes that earlier requests have taken.
        forget: Training examples of `targets`.
        retain: Replay: training examples of classes that stay; classes may be missing.
        validation: Held-out training examples of `targets` and of the replayed classes; may be empty.
    """

    targets: tuple[int, ...]
    forgotten: tuple[int, ...]
    forget: E
    retain: E
    validation: E


@dataclass(frozen=True)
class Available(Generic[E]):
    """The part of the training data that methods may see: n-shot, replayed, without the missing classes.

    Attributes:
        forget: Examples of a class for the request that names it.
        replay: Examples of a class for the requests during which it stays.
        validation: Held-out training examples.
    """

    forget: E
    replay: E
    validation: E


@dataclass(frozen=True)
class Gathered(Generic[E]):
    """Data and model that one plan of requests works with.

    Attributes:
        splits: Training examples without those of earlier requests; validation and test examples.
        available: The same as a method sees it.
        used: What is recorded of them, by the part they play, such as "retain" or "test".
    """

    splits: Splits[E]
    available: Available[E]
    used: Mapping[str, E]


@dataclass(frozen=True)
class Progress:
    """Progress of a method: `done` of `total` steps, and a word on what it is doing."""

    done: int
    total: int
    note: str = ""
