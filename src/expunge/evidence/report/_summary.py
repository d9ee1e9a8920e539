"""Summary of a run: the few figures and sentences at the head of the report."""

from collections.abc import Iterable
from dataclasses import dataclass

from expunge.evidence.metrics import Change, Metrics
from expunge.evidence.report._formats import count, percent
from expunge.tasks import Words, find_task
from expunge.values import Rate

_COUNTABLE = 10_000  # one image among more is less than a hundredth of a percent


@dataclass(frozen=True, slots=True)
class Summary:
    """State of the model after the last request.

    Attributes:
        forgotten: Accuracy on all classes forgotten so far, those of earlier requests included.
        in_place: The same with the original head's rows put back; None where it was not measured, or where it does not
            follow from the rates of the requests, as with a detector.
        kept: Accuracy on the classes that stay.
        n_forgotten: Number of classes forgotten so far.
        n_kept: Number of classes that stay.
        verdict: Two sentences that claim what was measured, and no more.
    """

    forgotten: Change
    in_place: Change | None
    kept: Change
    n_forgotten: int
    n_kept: int
    verdict: tuple[str, str]


def summarise(metrics: Metrics, forgotten: Change | None = None) -> Summary:
    """The summary of a run with at least one finished request.

    Args:
        metrics: The run's figures.
        forgotten: The rate on all classes forgotten so far; by default it is put together from those of the requests,
            which holds where images count alike.
    """
    last, words = metrics.requests[-1], find_task(metrics.task).words
    n_forgotten = sum(len(request.classes) for request in metrics.requests)
    forgotten = forgotten or _pool(change for change in (last.acc_f, last.acc_o) if change)
    n_kept = len(metrics.model.classes) - n_forgotten
    alone = last.weights_alone if words.rate == "accuracy" else None
    in_place = _pool(change for change in (alone.acc_f, alone.acc_o) if change) if alone else None
    return Summary(
        forgotten=forgotten,
        in_place=in_place,
        kept=last.acc_r,
        n_forgotten=n_forgotten,
        n_kept=n_kept,
        verdict=(
            _what_was_forgotten(forgotten, in_place, n_forgotten, words),
            _what_it_cost(last.acc_r, n_kept, words),
        ),
    )


def _pool(changes: Iterable[Change]) -> Change:
    """One change over several sets of images."""
    changes = tuple(changes)
    n = sum(change.n for change in changes)
    before = sum(_hits(change.before, change.n) for change in changes)
    after = sum(_hits(change.after, change.n) for change in changes)
    return Change.between(Rate(before, n), Rate(after, n))


def _hits(rate: float, n: int) -> int:
    return round(rate * n / 100)


def _what_was_forgotten(change: Change, in_place: Change | None, n_classes: int, words: Words) -> str:
    if words.rate != "accuracy":
        classes = "forgotten class" if n_classes == 1 else f"{n_classes:,} forgotten classes"
        now, before = percent(change.after), percent(change.before)
        return f"{words.title} on the {classes} is now {now}\u00a0%; before, it was {before}\u00a0%."
    images = "the only test image" if change.n == 1 else f"the {change.n:,} test images"
    classes = "the forgotten class" if n_classes == 1 else f"the {n_classes:,} forgotten classes"
    now, before = _amount(change.after, change.n), _amount(change.before, change.n)
    if in_place is None:
        return f"The model now recognises {now} of {images} of {classes}; before, it recognised {before}."
    known = _amount(in_place.after, in_place.n)
    return (
        f"With the original head\u2019s rows put back, the model recognises {known} of {images} of {classes}; as it "
        f"was written, it recognises {now}, and before the edit it recognised {before}."
    )


def _amount(rate: float, n: int) -> str:
    """Number of images, where a rate of two decimals still tells it exactly; "none" is then no rounding."""
    if n >= _COUNTABLE:
        return f"{percent(rate)}\u00a0%"
    hits = _hits(rate, n)
    return count(hits) if hits else "none"


def _what_it_cost(change: Change, n_classes: int, words: Words) -> str:
    classes = "On the class that stays" if n_classes == 1 else f"On the {n_classes:,} classes that stay"
    before, after = percent(change.before), percent(change.after)
    if before == after:
        return f"{classes}, {words.rate} is what it was, {after}\u00a0%."
    way = "fell" if change.after < change.before else "rose"
    return f"{classes}, {words.rate} {way} from {before} to {after}\u00a0%."
