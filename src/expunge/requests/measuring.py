"""Any two models with the same classes, measured side by side; no forgetting method is needed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from expunge.data import Images, Splits, align
from expunge.errors import (
    AlreadyForgottenError,
    ClassMismatchError,
    DuplicateClassError,
    NothingRetainedError,
    RequestError,
    TooFewImagesError,
    UnknownClassError,
)
from expunge.evidence import Case, Measure, Observed, Reading, View, make_measure, measure_names, view
from expunge.evidence.scorecard import DERIVED, ModelName, Scorecard, make_rows
from expunge.evidence.take import take
from expunge.methods import Progress
from expunge.requests.sequence import Stage
from expunge.vision import VisionModel


@dataclass(frozen=True)
class Comparison:
    """What is measured of what.

    Attributes:
        original: The model before any request.
        edited: The model after.
        forgotten: Names of the classes of the request.
        earlier: Names of classes forgotten before.
        missing: Names of retained classes of which the method had no images.
        oracles: Models that never saw the forgotten classes; measures may look at the first.
        seed: Seeds the measures.
    """

    original: VisionModel
    edited: VisionModel
    forgotten: tuple[str, ...]
    earlier: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    oracles: tuple[VisionModel, ...] = ()
    seed: int = 0

    @property
    def models(self) -> tuple[tuple[str, VisionModel], ...]:
        """All models with the part they play: the edited one, the original, the oracles."""
        oracles = (("oracle", model) for model in self.oracles)
        return (("edited", self.edited), ("original", self.original), *oracles)


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
    report: Callable[[Stage], None] = lambda stage: None,
) -> Scorecard:
    """Takes all measures alike of the edited model, the original and the oracles.

    Args:
        compared: The models and classes.
        data: Images; training and validation images are the attacker's, rates are counted on test images.
        measures: What to take.
        data_name: What the scorecard calls the data.
        partial: Whether the data may lack some of the model's classes.
        report: Told about the progress.

    Raises:
        ClassMismatchError: The models do not have the same classes in the same order, or the data have others.
        RequestError: The named classes cannot be what they are said to be.
        TooFewImagesError: A forgotten class has no attack or no test image, or no retained class has a test image.
    """
    _check_models(compared)
    case = _case(compared, align(data, compared.original.classes, partial=partial))
    tell = _Steps(report, len(compared.models) * (1 + len(measures)))
    views: list[View] = []
    for part, model in compared.models:
        tell(f"{part}: running the images")
        views.append(view(model, case.attack, case.test))
    case = replace(case, original=views[1], oracle=views[2] if compared.oracles else None)
    taken: list[list[Reading]] = []
    skipped: dict[str, str] = {}
    for (part, model), seen in zip(compared.models, views, strict=True):
        under_test, readings = replace(case, model=model, view=seen), []
        for measure in measures:
            tell(f"{part}: {measure.name}")
            found, reasons = take(under_test, [measure])
            readings += found
            skipped |= reasons if model is compared.edited else {}
        taken.append(readings)
    tell("done")
    edited, original, *oracles = taken
    return Scorecard(
        edited=_named(compared.edited),
        original=_named(compared.original),
        oracles=tuple(_named(model) for model in compared.oracles),
        data=data_name,
        classes=compared.original.classes,
        forgotten=compared.forgotten,
        earlier=compared.earlier,
        missing=compared.missing,
        images=(len(case.attack), len(case.test)),
        seed=compared.seed,
        rows=make_rows(measures, edited, original, oracles),
        skipped=skipped,
    )


class _Steps:
    """Counts steps of equal weight and tells of each before it begins."""

    def __init__(self, report: Callable[[Stage], None], total: int):
        self._report, self._total, self._done = report, total, 0

    def __call__(self, note: str) -> None:
        self._report(Stage("measuring", Progress(self._done, self._total, note)))
        self._done += 1


def _named(model: VisionModel) -> ModelName:
    return ModelName(name=model.name, sha256=model.digest())


def _check_models(compared: Comparison) -> None:
    wanted = compared.original.classes
    for part, model in compared.models:
        if model.classes == wanted:
            continue
        unlike = [name for name in (*wanted, *model.classes) if (name in wanted) != (name in model.classes)]
        how = f"differ in {', '.join(unlike[:5])}" if unlike else "are the same in another order"
        raise ClassMismatchError(
            f"the classes of the {part} model ({model.name}, {len(model.classes)}) and of the original "
            f"({compared.original.name}, {len(wanted)}) {how}; give models whose heads have the same rows, "
            "also for a class that was never trained"
        )


def _case(compared: Comparison, data: Splits) -> Case:
    """The case but for its views, which stay empty until the models have run."""
    index = {name: label for label, name in enumerate(data.classes)}
    forget = _labels(compared.forgotten, index, "forgotten")
    earlier = _labels(compared.earlier, index, "earlier")
    both = [name for name in compared.earlier if name in compared.forgotten]
    if both:
        raise AlreadyForgottenError(f"{both[0]!r} is both forgotten now and earlier; name it once")
    missing = _labels(compared.missing, index, "missing")
    gone = {*forget, *earlier}
    if gone & set(missing):
        raise RequestError(f"{data.classes[min(gone & set(missing))]!r} is both forgotten and missing; name it once")
    retain = tuple(label for label in index.values() if label not in gone)
    if not forget:
        raise RequestError("expected at least one forgotten class")
    if not retain:
        raise NothingRetainedError(f"all {len(index)} classes are forgotten; at least one must stay to be measured")
    attack = _together(data.train, data.validation)
    _check_images(attack, data.test, forget, retain)
    nothing = View(*(Observed(torch.empty(0, 0), torch.empty(0, len(index)), torch.empty(0).long()),) * 2)
    return Case(
        model=compared.edited,
        view=nothing,
        original=nothing,
        oracle=None,
        attack=attack,
        test=data.test,
        forget=forget,
        earlier=earlier,
        retain=retain,
        missing=missing,
        seed=compared.seed,
    )


def _labels(names: Sequence[str], index: dict[str, int], what: str) -> tuple[int, ...]:
    for position, name in enumerate(names):
        if name not in index:
            there = ", ".join(list(index)[:8]) + (", …" if len(index) > 8 else "")
            raise UnknownClassError(f"{name!r}, named as {what}, is no class of the models; they have {there}")
        if name in names[:position]:
            raise DuplicateClassError(f"{name!r} is named as {what} twice")
    return tuple(index[name] for name in names)


def _together(first: Images, second: Images) -> Images:
    return Images((*first.samples, *second.samples), (*first.labels, *second.labels), first.classes)


def _check_images(attack: Images, test: Images, forget: Sequence[int], retain: Sequence[int]) -> None:
    for images, kind in ((attack, "training"), (test, "test")):
        counts = images.counts()
        for label in forget:
            if not counts[label]:
                raise TooFewImagesError(f"the forgotten class {images.classes[label]!r} has no {kind} image")
        if not any(counts[label] for label in retain):
            raise TooFewImagesError(f"no class that stays has a {kind} image")
