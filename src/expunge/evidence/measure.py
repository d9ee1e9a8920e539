"""From the rates of two models to the figures of one request."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from expunge.errors import EvidenceError
from expunge.evidence.metrics import (
    Baseline,
    Change,
    Groups,
    HeadMask,
    ImagesUsed,
    Parameters,
    RequestMetrics,
    WeightsAlone,
)
from expunge.tasks import Scores, harmonic_mean


@dataclass(frozen=True, slots=True)
class Work:
    """Costs of carrying out one request.

    Attributes:
        images: Training images looked at.
        groups: Groups of the edit.
        parameters: Weights touched.
        bytes: Size of the stored edit.
        seconds: Wall-clock time.
    """

    images: ImagesUsed
    groups: Groups
    parameters: Parameters
    bytes: int
    seconds: float


def measure_baseline(before: Scores) -> Baseline:
    """The rate of the untouched model on all that is counted.

    Raises:
        EvidenceError: Nothing is.
    """
    rate = before.rate()
    if not rate.n:
        raise EvidenceError(f"Expected {before.counted} to measure a model on, got none. Add {before.counted}.")
    return Baseline(acc=rate.percent, n=rate.n)


def change_of(before: Scores, after: Scores, classes: Collection[int]) -> Change:
    """The rate of some classes, which have something to count, under two models."""
    was, now = before.rate(classes), after.rate(classes)
    interval = after.interval(classes, round(now.percent, 2))
    return Change(before=was.percent, after=now.percent, n=now.n, ci95=(interval.low, interval.high))


def measure_request(
    before: Scores,
    after: Scores,
    masked: Scores,
    *,
    alone: Scores | None = None,
    classes: Sequence[str],
    forget: Sequence[int],
    retain: Collection[int],
    earlier: Collection[int] = (),
    missing: Collection[int] = (),
    work: Work,
) -> RequestMetrics:
    """All figures of one request, from the rates on the same test data before and after.

    `before` is always the original model, before the first request, in every row: a figure then says
    what all requests so far have cost, and the head mask, taken from the same answers, is comparable.

    Args:
        before: The original, untouched model.
        after: The model after this request.
        masked: The original with `forget` and `earlier` struck from its answers; see `Task.struck`.
        alone: The model after this request with the original's rows of these classes put back; see `Task.in_place`.
            None leaves `weights_alone` out.
        classes: Names of all the model's classes.
        forget: Classes of this request.
        retain: All classes that stay, those without training data included.
        earlier: Classes of earlier requests.
        missing: Those of `retain` of which no training data were available.
        work: What the request took.

    Returns:
        The row of `metrics.json`.

    Raises:
        EvidenceError: The sets of classes contradict each other, or one of them has nothing to count.
    """
    check_sets(set(forget), set(retain), set(earlier), set(missing))

    def change(name: str, chosen: Collection[int], now: Scores = after) -> Change:
        if not before.rate(chosen).n:
            names = ", ".join(classes[index] for index in sorted(chosen)[:5])
            raise EvidenceError(
                f"Expected {before.counted} to measure {name} on, got none of its {len(chosen)} classes "
                f"({names}). Add {before.counted} of these classes."
            )
        return change_of(before, now, chosen)

    def percent(chosen: Collection[int], now: Scores) -> float:
        return round(now.rate(chosen).percent, 2)

    acc_f, acc_r = change("acc_f", forget), change("acc_r", retain)

    def h(now: Scores) -> float:
        """From the rounded rates, so that whoever reads the file finds the same number."""
        return harmonic_mean(percent(retain, now), acc_f.before - percent(forget, now))

    return RequestMetrics(
        classes=tuple(classes[index] for index in forget),
        images=work.images,
        seconds=work.seconds,
        acc_f=acc_f,
        acc_r=acc_r,
        acc_o=change("acc_o", earlier) if earlier else None,
        acc_m=change("acc_m", missing) if missing else None,
        h=h(after),
        head_mask=HeadMask(
            acc_f=percent(forget, masked),
            acc_r=percent(retain, masked),
            h=h(masked),
            acc_m=percent(missing, masked) if missing else None,
        ),
        groups=work.groups,
        parameters=work.parameters,
        bytes=work.bytes,
        weights_alone=None
        if alone is None
        else WeightsAlone(
            acc_f=change("acc_f", forget, alone),
            acc_o=change("acc_o", earlier, alone) if earlier else None,
            h=h(alone),
        ),
    )


def check_sets(forget: set[int], retain: set[int], earlier: set[int], missing: set[int]) -> None:
    """Makes sure that no class is in two groups, and that missing classes stay.

    Raises:
        EvidenceError: The sets of classes contradict each other.
    """
    for first, second, names in (
        (forget, retain, "forget and retain"),
        (forget, earlier, "forget and earlier"),
        (retain, earlier, "retain and earlier"),
    ):
        if common := first & second:
            raise EvidenceError(f"Expected {names} to have no class in common, got {sorted(common)} in both.")
    if stray := missing - retain:
        raise EvidenceError(f"Expected missing classes to be among those that stay, got {sorted(stray)} besides.")
