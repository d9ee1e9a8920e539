"""From logits to the figures of one request."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

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
from expunge.tasks.classification.accuracy import accuracy, accuracy_of, harmonic_mean, mask_classes
from expunge.tasks.rows import with_columns


@dataclass(frozen=True, slots=True)
class Work:
    """What it took to carry out one request.

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


def measure_baseline(logits: Float[Tensor, "n c"], labels: Int[Tensor, "n"]) -> Baseline:
    """Accuracy of the untouched model on all test images."""
    rate = accuracy(logits, labels)
    return Baseline(acc=rate.percent, n=rate.n)


def measure_request(
    before: Float[Tensor, "n c"],
    after: Float[Tensor, "n c"],
    labels: Int[Tensor, "n"],
    *,
    classes: Sequence[str],
    forget: Sequence[int],
    retain: Collection[int],
    earlier: Collection[int] = (),
    missing: Collection[int] = (),
    work: Work,
    rows: Float[Tensor, "n c"] | None = None,
) -> RequestMetrics:
    """All figures of one request, from the logits of the same test images before and after.

    `before` is always the original model, before the first request, in every row: a figure then says
    what all requests so far have cost, and the head mask, taken from the same logits, is comparable.

    Args:
        before: Logits of the original, untouched model.
        after: Logits of the model after this request.
        labels: The true class of each image, as a column of the logits.
        classes: Names of all the model's classes, one a column.
        forget: Classes of this request.
        retain: All classes that stay, those without training images included.
        earlier: Classes of earlier requests.
        missing: Those of `retain` of which no training image was available.
        work: What the request took.
        rows: What the original's head makes of the embeddings after this request; see `HeadRows.read`. None leaves
            `weights_alone` out.

    Returns:
        The row of `metrics.json`. The head mask hides `forget` and `earlier` in `before`.

    Raises:
        EvidenceError: The sets of classes contradict each other, or one of them has no test image.
    """
    check_sets(set(forget), set(retain), set(earlier), set(missing))
    masked = mask_classes(before, {*forget, *earlier})

    def change(name: str, chosen: Collection[int], now: Tensor = after) -> Change:
        was = accuracy_of(before, labels, chosen)
        if not was.n:
            names = ", ".join(classes[index] for index in sorted(chosen)[:5])
            raise EvidenceError(
                f"Expected test images to measure {name} on, got none of its {len(chosen)} classes "
                f"({names}). Add test images of these classes."
            )
        return Change.between(was, accuracy_of(now, labels, chosen))

    acc_f, acc_r = change("acc_f", forget), change("acc_r", retain)
    alone = None if rows is None else with_columns(after, rows, {*forget, *earlier})
    mask_f, mask_r = change("acc_f", forget, masked), change("acc_r", retain, masked)
    return RequestMetrics(
        classes=tuple(classes[index] for index in forget),
        images=work.images,
        seconds=work.seconds,
        acc_f=acc_f,
        acc_r=acc_r,
        acc_o=change("acc_o", earlier) if earlier else None,
        acc_m=change("acc_m", missing) if missing else None,
        h=_h(acc_f, acc_r),
        head_mask=HeadMask(
            acc_f=mask_f.after,
            acc_r=mask_r.after,
            h=_h(mask_f, mask_r),
            acc_m=change("acc_m", missing, masked).after if missing else None,
        ),
        groups=work.groups,
        parameters=work.parameters,
        bytes=work.bytes,
        weights_alone=None
        if alone is None
        else WeightsAlone(
            acc_f=(alone_f := change("acc_f", forget, alone)),
            acc_o=change("acc_o", earlier, alone) if earlier else None,
            h=_h(alone_f, change("acc_r", retain, alone)),
        ),
    )


def _h(acc_f: Change, acc_r: Change) -> float:
    """H from the rounded rates, so that whoever reads the file finds the same number."""
    return harmonic_mean(acc_r.after, acc_f.before - acc_f.after)


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
