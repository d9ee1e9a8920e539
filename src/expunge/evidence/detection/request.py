"""From what a detector makes of the test scenes to the figures of one request, in AP50; the twin of `measure.py`."""

from collections.abc import Collection, Sequence

from expunge.data import Scenes
from expunge.errors import EvidenceError
from expunge.evidence.detection.rows_in_place import with_rows
from expunge.evidence.measure import Work, check_sets
from expunge.evidence.metrics import Baseline, Change, HeadMask, RequestMetrics, WeightsAlone
from expunge.tasks.classification.accuracy import harmonic_mean
from expunge.tasks.detection.average_precision import ClassAP, average_precision, mean_of
from expunge.tasks.detection.matching import match_scenes
from expunge.tasks.detection.spread import Spread, spread_of
from expunge.tasks.rows import HeadRows
from expunge.vision.scene_states import SceneView

SEED = 0
"""Seeds the draws of scenes: the same scenes and boxes always have the same interval."""


def measure_scene_baseline(view: SceneView, truth: Scenes) -> Baseline:
    """AP50 of the untouched detector, the mean over all classes with a test object.

    Args:
        view: What it makes of the test scenes.
        truth: What is in them.

    Raises:
        EvidenceError: There is no test object, or the view is of other scenes.
        MissingExtraError: faster-coco-eval is not installed.
    """
    mean = mean_of(average_precision(view.found(), truth), range(len(truth.classes)))
    if mean.ap50 is None:
        raise EvidenceError("Expected test objects to measure a detector on, got none. Add test scenes with boxes.")
    return Baseline(acc=mean.ap50, n=mean.objects)


def measure_scene_request(
    before: SceneView,
    after: SceneView,
    truth: Scenes,
    *,
    classes: Sequence[str],
    forget: Sequence[int],
    retain: Collection[int],
    earlier: Collection[int] = (),
    missing: Collection[int] = (),
    work: Work,
    rows: HeadRows | None = None,
) -> RequestMetrics:
    """All figures of one request, from what the detector makes of the same test scenes before and after.

    The keys are those of `measure_request`; rates are AP50, the mean over the classes of a group that have a test
    object, and n counts objects. Intervals are those of the percentile bootstrap over scenes.

    Args:
        before: The original, untouched detector, in every request.
        after: The detector after this request.
        truth: What is in the scenes.
        classes: Names of all the detector's classes.
        forget: Classes of this request.
        retain: All classes that stay, those without training scenes included.
        earlier: Classes of earlier requests.
        missing: Those of `retain` of which no training scene was available.
        work: What the request took.
        rows: The original's classifier; None leaves `weights_alone` out. `after` must hold features of its queries.

    Returns:
        The row of `metrics.json`. The head mask hides `forget` and `earlier` in `before`.

    Raises:
        EvidenceError: The sets of classes contradict each other, one of them has no test object, or a view is of other
            scenes.
        MissingExtraError: faster-coco-eval is not installed.
    """
    check_sets(set(forget), set(retain), set(earlier), set(missing))
    was, now, masked = (
        average_precision(found, truth)
        for found in (before.found(), after.found(), before.found(struck={*forget, *earlier}))
    )
    spread = spread_of(match_scenes(after.found(), truth), seed=SEED, overlaps=1)

    def rate(each: Sequence[ClassAP], chosen: Collection[int]) -> float:
        mean = mean_of(each, chosen)
        if mean.ap50 is None:
            names = ", ".join(classes[index] for index in sorted(chosen)[:5])
            raise EvidenceError(
                f"Expected test objects of one of {len(chosen)} classes ({names}), got none. "
                "Add test scenes with boxes of these classes."
            )
        return round(mean.ap50, 2)

    def change(chosen: Collection[int], now: Sequence[ClassAP] = now, spread: Spread = spread) -> Change:
        value = rate(now, chosen)
        interval = spread.interval(chosen, value)
        objects = mean_of(now, chosen).objects
        return Change(before=rate(was, chosen), after=value, n=objects, ci95=(interval.low, interval.high))

    def alone(rows: HeadRows) -> WeightsAlone:
        found = with_rows(after, rows, {*forget, *earlier}).found()
        each, around = average_precision(found, truth), spread_of(match_scenes(found, truth), seed=SEED, overlaps=1)
        acc_f = change(forget, each, around)
        return WeightsAlone(
            acc_f=acc_f,
            acc_o=change(earlier, each, around) if earlier else None,
            h=harmonic_mean(rate(each, retain), acc_f.before - acc_f.after),
        )

    acc_f, acc_r, mask_f, mask_r = change(forget), change(retain), rate(masked, forget), rate(masked, retain)
    return RequestMetrics(
        classes=tuple(classes[index] for index in forget),
        images=work.images,
        seconds=work.seconds,
        acc_f=acc_f,
        acc_r=acc_r,
        acc_o=change(earlier) if earlier else None,
        acc_m=change(missing) if missing else None,
        h=harmonic_mean(acc_r.after, acc_f.before - acc_f.after),
        head_mask=HeadMask(
            acc_f=mask_f,
            acc_r=mask_r,
            h=harmonic_mean(mask_r, acc_f.before - mask_f),
            acc_m=rate(masked, missing) if missing else None,
        ),
        groups=work.groups,
        parameters=work.parameters,
        bytes=work.bytes,
        weights_alone=None if rows is None else alone(rows),
    )
