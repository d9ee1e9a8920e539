"""Shares over the whole history of a workspace, on test data alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from expunge.data import Examples
from expunge.tasks import Share, task_of
from expunge.vision import Wrapped


@dataclass(frozen=True, slots=True)
class Shares:
    """The rates of the cumulative watch.

    Attributes:
        kept: The served model's rate on the classes that stay.
        original: The original's on the same.
        masked: The original's with all forgotten classes struck from its head.
        earlier: The served model's on the classes of each edit.
    """

    kept: Share
    original: Share
    masked: Share
    earlier: tuple[Share, ...]


def shares_of(model: Wrapped, original: Wrapped, test: Examples, groups: Sequence[Sequence[int]]) -> Shares:
    """Looks at both models once.

    Args:
        model: The model that is served.
        original: The model before any edit.
        test: Test data in the model's class order.
        groups: Classes of each edit.
    """
    task = task_of(original)
    gone = sorted({label for group in groups for label in group})
    kept = [label for label in range(len(model.classes)) if label not in gone]
    now, before = (task.look(cache, test) for cache in task.caches([model, original]))
    served, originally, masked = (task.scores(one, test) for one in (now, before, task.struck(before, gone)))
    return Shares(
        *(one.rate(kept) for one in (served, originally, masked)), earlier=tuple(served.rate(group) for group in groups)
    )
