"""What the report calls things: a classifier's accuracy on images, a detector's AP50 on objects."""

from dataclasses import dataclass

from expunge.evidence.metrics import Metrics
from expunge.tasks import find_task


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one task.

    Attributes:
        rate: What a rate is called within a sentence.
        title: The same at the beginning of one.
        symbol: What carries the indices f, r, o and m.
        one: What is counted.
        many: Several of it.
        interval: Where the interval comes from.
        mean: How classes are put together; empty where every image counts alike.
    """

    rate: str
    title: str
    symbol: str
    one: str
    many: str
    interval: str
    mean: str = ""


ACCURACY = Words("accuracy", "Accuracy", "Acc", "image", "images", "Wilson interval")
AP50 = Words(
    "AP50", "AP50", "AP50", "object", "objects", "interval (bootstrap over scenes)", ", the mean over the classes"
)


def words_of(metrics: Metrics) -> Words:
    """The words of the task that a run was on."""
    task = find_task(metrics.task)
    if task.alone:
        return ACCURACY
    if metrics.task == "detection":
        return AP50
    unit, one = task.unit, task.thing
    return Words(unit, unit, unit, one, f"{one}s", "interval", ", the mean over the classes")
