"""Any two models of one task with the same classes, measured side by side; no forgetting method is needed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from expunge.data import E, Splits
from expunge.errors import TooFewImagesError
from expunge.evidence import DERIVED, Case, Measure, Reading, Scorecard, Shadows, make_measures, make_rows, take
from expunge.evidence.strangers import Strangers
from expunge.runs.comparing import ModelComparison, Parts, Steps, check_classes, check_models, parts_of
from expunge.runs.run import Stage
from expunge.runs.strangers import beside_all, stand_in, summarise_all, without_pictures
from expunge.tasks import HeadRows, Observed, Task, task_of
from expunge.vision import Wrapped

Comparison = ModelComparison
"""Models, data and classes of a comparison."""


@dataclass(frozen=True)
class ShadowModels:
    """Shadow models for U-LiRA. Each is built when its turn comes, and only its answers are kept.

    Attributes:
        forgotten: Build models that were trained with the classes, and then made to forget them as the edited one was.
        never: Build models that never saw the classes.
    """

    forgotten: Sequence[Callable[[], Wrapped]]
    never: Sequence[Callable[[], Wrapped]]


def known_keys(*, task: str = "classification") -> frozenset[str]:
    """Every row key that an installed measure of a task, or the scorecard itself, can give."""
    return frozenset(DERIVED) | {key for measure in make_measures(task=task) for key in measure.labels}


def policy_keys(task: str) -> frozenset[str]:
    """Every row key that a policy for a task may name: one policy may do for classifiers, too."""
    return known_keys() | known_keys(task=task)


def measure_models(
    compared: ModelComparison[Any],
    data: Splits[E],
    measures: Sequence[Measure],
    *,
    data_name: str,
    partial: bool = False,
    shadows: ShadowModels | None = None,
    strangers: Strangers[E] | None = None,
    strangers_name: str = "strangers",
    report: Callable[[Stage], None] = lambda stage: None,
) -> Scorecard:
    """Takes all measures alike of the edited model, the original and the oracles.

    Args:
        compared: The models and classes.
        data: Images, or scenes; those for training and validation are the attacker's, rates are counted on test data.
        measures: What to take; measures of the models' task.
        data_name: What the scorecard calls the data.
        partial: Whether the data may lack some of the model's classes.
        shadows: Shadow models; without them U-LiRA is not taken.
        strangers: Classes that none of the models has seen; without them nothing is held beside strangers.
        strangers_name: What the scorecard calls them.
        report: Told about the progress.

    Raises:
        ClassMismatchError: The models do not have the same classes in the same order, or the data have others.
        EvidenceError: An oracle is one of the models under test, or strangers are classes of the model.
        RequestError: The named classes cannot be what they are said to be.
        EmptyClassError: Unless `partial`, a class has test images and no training images.
        TooFewImagesError: A forgotten class has nothing to attack with or nothing to count, or nothing that stays has.
    """
    check_models(compared)
    task, classes, parts = task_of(compared.original), compared.original.classes, parts_of(compared)
    data = task.align(data, classes, partial=partial)
    attack, test = data.train + data.validation, data.test
    _check_there(task, attack, test, parts)
    if strangers:
        strangers.refuse_known(classes, alone=task.alone)
    builders = (*shadows.forgotten, *shadows.never) if shadows else ()
    tell = Steps(report, len(compared.models) * (1 + len(measures)) + len(builders))
    shown = _shadows(task, shadows, compared.original, attack, tell) if shadows else None
    caches, views = task.caches([model for _, model in compared.models]), []
    for (part, _), cache in zip(compared.models, caches, strict=True):
        tell(f"{part}: running the {task.example}s")
        views.append(task.view(cache, attack, test))
    case = Case(
        model=compared.edited,
        view=views[0],
        original=views[1],
        oracle=views[2] if compared.oracles else None,
        attack=attack,
        test=test,
        forget=parts.forget,
        earlier=parts.earlier,
        retain=parts.retain,
        missing=parts.missing,
        shadows=shown,
        seed=compared.seed,
    )
    asked = any(measure.name == "strangers" for measure in measures)
    beside = strangers if asked else None
    stood = beside_all(compared, case, caches, views, beside) if beside else (None,) * len(views)
    taken: list[list[Reading]] = []
    skipped = _untested(case)
    for (part, model), seen, placed in zip(compared.models, views, stood, strict=True):
        rows = HeadRows.of(model if model in compared.oracles else compared.original)
        under_test, readings = replace(case, model=model, view=seen, rows=rows, beside=placed), []
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
    names = compared.names
    return Scorecard(
        task=task.name,
        edited=names[0],
        original=names[1],
        oracles=names[2:],
        data=data_name,
        classes=classes,
        forgotten=compared.forgotten,
        earlier=compared.earlier,
        missing=compared.missing,
        images=(len(attack), len(test)),
        seed=compared.seed,
        rows=make_rows(measures, edited, original, oracles),
        skipped=skipped,
        strangers=summarise_all(stood, strangers_name, classes, make_measures(task=task.name)),
        stand_in=stand_in(compared, case, views[0]) if asked and not (strangers or oracles) else "",
        text_model=compared.original.text_model,
    )


def _shadows(
    task: Task[Any, E], shadows: ShadowModels, original: Wrapped, attack: E, tell: Callable[[str], None]
) -> Shadows:
    """The attack images under all shadow models, one model at a time.

    Raises:
        ClassMismatchError: A shadow model has other classes than the models compared.
    """

    def seen(build: Callable[[], Wrapped]) -> Observed:
        tell(f"shadow model: running the {task.example}s")
        model = build()
        check_classes("shadow", model, original)
        return replace(task.observe(task.caches([model])[0], attack), layers=())

    return Shadows(tuple(map(seen, shadows.forgotten)), tuple(map(seen, shadows.never)))


def _check_there(task: Task[Any, E], attack: E, test: E, parts: Parts) -> None:
    for examples, part in ((attack, "training"), (test, "test")):
        counts = examples.counts()
        for label in parts.forget:
            if not counts[label]:
                raise TooFewImagesError(f"the forgotten class {examples.classes[label]!r} has no {part} {task.thing}")
        if not any(counts[label] for label in parts.retain):
            raise TooFewImagesError(f"no class that stays has a {part} {task.thing}")


def _untested(case: Case) -> dict[str, str]:
    """Row -> why it is missing, or speaks of some of its classes only; without names, as it may be published."""
    notes, counts = {}, case.test.counts()
    for key, classes, what in (("acc_o", case.earlier, "forgotten earlier"), ("acc_m", case.missing, "missing")):
        lacking = sum(not counts[label] for label in classes)
        if lacking:
            notes[key] = f"no test {case.task.thing} of {lacking} of {len(classes)} classes that are {what}"
    return notes
