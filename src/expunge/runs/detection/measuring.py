"""Any two detectors with the same classes, measured side by side; the twin of `expunge.runs.measuring`."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from expunge.data import Scenes, Splits
from expunge.errors import ClassMismatchError, TooFewImagesError
from expunge.evidence import Reading
from expunge.evidence.detection.lineup import scene_lineup
from expunge.evidence.detection.protocol import DetectionMeasure, SceneCase
from expunge.evidence.detection.registry import detection_measure_names, make_detection_measure
from expunge.evidence.protocol import take
from expunge.evidence.scorecard import Scorecard, make_rows
from expunge.evidence.strangers.beside import Beside, beside
from expunge.runs.comparing import Compared, Parts, Steps, check_models, named, parts_of
from expunge.runs.run import Stage
from expunge.runs.strangers import by_class, summarise_all
from expunge.tasks.detection.scenes import align_scenes
from expunge.tasks.detection.views import DetectionView, objects_in
from expunge.tasks.rows import HeadRows
from expunge.vision.detection import DetectionModel
from expunge.vision.scene_states import SceneCache, look, shared_caches

BATCH = 16
"""Scenes that run together."""


class DetectorComparison(Compared[DetectionModel]):
    """A comparison of detectors; see `Compared`."""


def known_detection_keys() -> frozenset[str]:
    """Every row key that an installed measure of detectors can give."""
    return frozenset(key for name in detection_measure_names() for key in make_detection_measure(name).labels)


def measure_detectors(
    compared: DetectorComparison,
    data: Splits[Scenes],
    measures: Sequence[DetectionMeasure],
    *,
    data_name: str,
    partial: bool = False,
    strangers: Splits[Scenes] | None = None,
    strangers_name: str = "strangers",
    report: Callable[[Stage], None] = lambda stage: None,
) -> Scorecard:
    """Takes all measures alike of the edited detector, the original and the oracles.

    Args:
        compared: The detectors and classes.
        data: Scenes; objects in training and validation scenes are the attacker's, rates are counted on test scenes.
        measures: What to take.
        data_name: What the scorecard calls the data.
        partial: Whether the data may lack some of the detectors' classes.
        strangers: Scenes with objects of no class; without them nothing is held beside strangers.
        strangers_name: What the scorecard calls them.
        report: Told about the progress.

    Raises:
        ClassMismatchError: The detectors do not have the same classes in the same order, or the data have others.
        EvidenceError: An oracle is one of the detectors under test.
        RequestError: The named classes cannot be what they are said to be.
        TooFewImagesError: A forgotten class has no box in the training or in the test scenes, or no class that stays
            has one.
    """
    check_models(compared)
    classes, parts = compared.original.classes, parts_of(compared)
    _check_classes(data.classes, classes, partial)
    data = align_scenes(data, classes)
    _check_boxes(data, parts)
    tell = Steps(report, len(compared.models) * (1 + len(measures)))
    views: list[DetectionView] = []
    caches = shared_caches([model for _, model in compared.models], batch_size=BATCH)
    for (part, _), cache in zip(compared.models, caches, strict=True):
        tell(f"{part}: running the scenes")
        views.append(
            DetectionView(objects_in(cache, [data.train, data.validation]), look(cache, data.test, features=True))
        )
    case = SceneCase(
        view=views[0],
        original=views[1],
        oracle=views[2] if compared.oracles else None,
        truth=data.test,
        forget=parts.forget,
        earlier=parts.earlier,
        retain=parts.retain,
        missing=parts.missing,
        seed=compared.seed,
    )
    stood = _beside_all(caches, data, strangers, parts, compared.seed) if strangers else (None,) * len(views)
    taken: list[list[Reading]] = []
    skipped: dict[str, str] = {}
    for (part, model), seen, placed in zip(compared.models, views, stood, strict=True):
        rows = HeadRows.of(model if model in compared.oracles else compared.original)
        under_test, readings = replace(case, view=seen, rows=rows, beside=placed), []
        for measure in measures:
            tell(f"{part}: {measure.name}")
            found, reasons = take(under_test, [measure])
            readings += found
            skipped |= reasons if model is compared.edited else {}
        taken.append(readings)
    tell("done")
    edited, original, *oracles = taken
    return Scorecard(
        task="detection",
        edited=named(compared.edited),
        original=named(compared.original),
        oracles=tuple(named(model) for model in compared.oracles),
        data=data_name,
        classes=classes,
        forgotten=compared.forgotten,
        earlier=compared.earlier,
        missing=compared.missing,
        images=(len(data.train) + len(data.validation), len(data.test)),
        seed=compared.seed,
        rows=make_rows(measures, edited, original, oracles),
        skipped=skipped,
        strangers=summarise_all(stood, strangers_name, classes, map(make_detection_measure, detection_measure_names())),
    )


def _beside_all(
    caches: Sequence[SceneCache], data: Splits[Scenes], strangers: Splits[Scenes], parts: Parts, seed: int
) -> tuple[Beside | None, ...]:
    """How the forgotten classes' objects stand beside objects of no class in each detector."""
    measures = by_class(map(make_detection_measure, detection_measure_names()))
    gone = (*parts.forget, *parts.earlier)
    there = [label for label in gone if data.train.counts()[label] + data.validation.counts()[label]]
    there = [label for label in there if data.test.counts()[label]]
    lineups = [scene_lineup(one, data, strangers, retain=parts.retain, forgotten=there, seed=seed) for one in caches]
    return tuple(beside(one, measures, original=lineups[1]) for one in lineups)


def _check_classes(there: Sequence[str], wanted: Sequence[str], partial: bool) -> None:
    lacking = [name for name in wanted if name not in there]
    if lacking and not partial:
        shown = ", ".join(map(repr, lacking[:5])) + (", …" if len(lacking) > 5 else "")
        raise ClassMismatchError(
            f"the data lack {len(lacking)} of the detectors' {len(wanted)} classes ({shown}); "
            "name the data's classes exactly as the detectors do, or allow missing ones with partial=True"
        )


def _check_boxes(data: Splits[Scenes], parts: Parts) -> None:
    learned = [sum(both) for both in zip(data.train.counts(), data.validation.counts(), strict=True)]
    for counts, kind in ((learned, "training"), (data.test.counts(), "test")):
        for label in parts.forget:
            if not counts[label]:
                raise TooFewImagesError(f"the forgotten class {data.classes[label]!r} has no box in the {kind} scenes")
        if not any(counts[label] for label in parts.retain):
            raise TooFewImagesError(f"no class that stays has a box in the {kind} scenes")
