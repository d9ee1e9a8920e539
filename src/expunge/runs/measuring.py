"""Any two models with the same classes, measured side by side; no forgetting method is needed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from expunge.data import Images, Splits, align
from expunge.errors import TooFewImagesError
from expunge.evidence import Case, Measure, Reading, Shadows, make_measure, measure_names
from expunge.evidence.protocol import take
from expunge.evidence.scorecard import DERIVED, Scorecard, make_rows
from expunge.evidence.strangers.sample import Strangers
from expunge.runs.comparing import Compared, Parts, Steps, check_classes, check_models, named, parts_of
from expunge.runs.run import Stage
from expunge.runs.strangers import beside_all, stand_in, summarise_all, without_pictures
from expunge.tasks.classification.views import observe, view
from expunge.tasks.rows import HeadRows
from expunge.tasks.views import Observed, View
from expunge.vision import ActivationCache, VisionModel


@dataclass(frozen=True)
class ShadowModels:
    """Shadow models for U-LiRA. Each is built when its turn comes, and only its answers are kept.

    Attributes:
        forgotten: Build models that were trained with the classes, and then made to forget them as the edited one was.
        never: Build models that never saw the classes.
    """

    forgotten: Sequence[Callable[[], VisionModel]]
    never: Sequence[Callable[[], VisionModel]]


class Comparison(Compared[VisionModel]):
    """A comparison of classifiers; see `Compared`."""


def known_keys() -> frozenset[str]:
    """Every row key that an installed measure, or the scorecard itself, can give."""
    return frozenset(DERIVED) | {key for name in measure_names() for key in make_measure(name).labels}


def measure_models(
    compared: Comparison,
    data: Splits,
    measures: Sequence[Measure],
    *,
    data_name: str,
    partial: bool = False,
    shadows: ShadowModels | None = None,
    strangers: Strangers | None = None,
    strangers_name: str = "strangers",
    report: Callable[[Stage], None] = lambda stage: None,
) -> Scorecard:
    """Takes all measures alike of the edited model, the original and the oracles.

    Args:
        compared: The models and classes.
        data: Images; training and validation images are the attacker's, rates are counted on test images.
        measures: What to take.
        data_name: What the scorecard calls the data.
        partial: Whether the data may lack some of the model's classes.
        shadows: Shadow models; without them U-LiRA is not taken.
        strangers: Classes that none of the models has seen; without them nothing is held beside strangers.
        strangers_name: What the scorecard calls them.
        report: Told about the progress.

    Raises:
        ClassMismatchError: The models do not have the same classes in the same order, or the data have others.
        EvidenceError: An oracle is one of the models under test.
        RequestError: The named classes cannot be what they are said to be.
        EmptyClassError: Unless `partial`, a class has test images and no training images.
        TooFewImagesError: A forgotten class has no attack or no test image, or no retained class has a test image.
    """
    check_models(compared)
    case = _case(compared, align(data, compared.original.classes, partial=partial))
    builders = (*shadows.forgotten, *shadows.never) if shadows else ()
    tell = Steps(report, len(compared.models) * (1 + len(measures)) + len(builders))
    case = replace(case, shadows=_shadows(shadows, case, tell) if shadows else None)
    if strangers:
        strangers.refuse_known(compared.original.classes)
    views: list[View] = []
    for part, model in compared.models:
        tell(f"{part}: running the images")
        views.append(view(model, case.attack, case.test))
    case = replace(case, original=views[1], oracle=views[2] if compared.oracles else None)
    asked = any(measure.name == "strangers" for measure in measures)
    stood = beside_all(compared, case, views, strangers) if strangers and asked else (None,) * len(views)
    taken: list[list[Reading]] = []
    skipped = _untested(case)
    for (part, model), seen, beside in zip(compared.models, views, stood, strict=True):
        rows = HeadRows.of(model if model in compared.oracles else compared.original)
        under_test, readings = replace(case, model=model, view=seen, rows=rows, beside=beside), []
        for measure in measures:
            tell(f"{part}: {measure.name}")
            found, reasons = take(under_test, [measure])
            readings += found
            skipped |= reasons if model is compared.edited else {}
        taken.append(readings)
    tell("done")
    if strangers and strangers.states:
        skipped |= without_pictures(stood[0])
    edited, original, *oracles = taken
    return Scorecard(
        edited=named(compared.edited),
        original=named(compared.original),
        oracles=tuple(named(model) for model in compared.oracles),
        data=data_name,
        classes=compared.original.classes,
        forgotten=compared.forgotten,
        earlier=compared.earlier,
        missing=compared.missing,
        images=(len(case.attack), len(case.test)),
        seed=compared.seed,
        rows=make_rows(measures, edited, original, oracles),
        skipped=skipped,
        strangers=summarise_all(stood, strangers_name, compared.original.classes, map(make_measure, measure_names())),
        stand_in=stand_in(compared, case, views[0]) if asked and not (strangers or oracles) else "",
        text_model=compared.original.text_model,
    )


def _shadows(shadows: ShadowModels, case: Case, tell: Steps) -> Shadows:
    """The attack images under all shadow models, one model at a time.

    Raises:
        ClassMismatchError: A shadow model has other classes than the models compared.
    """

    def seen(build: Callable[[], VisionModel]) -> Observed:
        tell("shadow model: running the images")
        model = build()
        check_classes("shadow", model, case.model)
        return replace(observe(ActivationCache(model), case.attack), layers=())

    return Shadows(tuple(map(seen, shadows.forgotten)), tuple(map(seen, shadows.never)))


def _case(compared: Comparison, data: Splits) -> Case:
    """The case but for its views, which stay empty until the models have run."""
    parts = parts_of(compared)
    attack = data.train + data.validation
    _check_images(attack, data.test, parts)
    empty = Observed(torch.empty(0, 0), torch.empty(0, len(data.classes)), torch.empty(0).long())
    nothing = View(empty, empty)
    return Case(
        model=compared.edited,
        view=nothing,
        original=nothing,
        oracle=None,
        attack=attack,
        test=data.test,
        forget=parts.forget,
        earlier=parts.earlier,
        retain=parts.retain,
        missing=parts.missing,
        seed=compared.seed,
    )


def _check_images(attack: Images, test: Images, parts: Parts) -> None:
    for images, kind in ((attack, "training"), (test, "test")):
        counts = images.counts()
        for label in parts.forget:
            if not counts[label]:
                raise TooFewImagesError(f"the forgotten class {images.classes[label]!r} has no {kind} image")
        if not any(counts[label] for label in parts.retain):
            raise TooFewImagesError(f"no class that stays has a {kind} image")


def _untested(case: Case) -> dict[str, str]:
    """Row -> why it is missing, or speaks of some of its classes only; without names, as it may be published."""
    notes = {}
    for key, classes, what in (("acc_o", case.earlier, "forgotten earlier"), ("acc_m", case.missing, "missing")):
        lacking = len(set(classes) - set(case.test.labels))
        if lacking:
            notes[key] = f"no test image of {lacking} of {len(classes)} classes that are {what}"
    return notes
