"""Images, features and logits that say little or nothing: a defined value or a reason, never a crash or a NaN."""

from collections.abc import Callable
from dataclasses import replace
from math import isfinite

import pytest
import torch

from expunge.evidence import Case, Measure, Shadows, make_measure, measure_names
from expunge.evidence.measures.answers import Answers
from expunge.evidence.measures.harmless_tuning import HarmlessTuning
from expunge.evidence.measures.linear_probe import LinearProbe
from expunge.evidence.measures.relearn_time import RelearnTime
from expunge.evidence.strangers.beside import beside
from expunge.tasks.views import Observed, View
from tests.evidence.measures.lineups import line_up

QUICK = {"relearn-time": RelearnTime(cap=2), "harmless-tuning": HarmlessTuning(steps=2)}
MEASURES = [QUICK[name] if name in QUICK else make_measure(name) for name in measure_names()]
ATTACKS = ("linear-probe", "prototype-relearning", "retrieval", "idi", "relearn-time")
"""Measures that learn from features of the forgotten classes, and need some."""
ANSWERS = ("class-membership", "confidence-attack", "u-lira")
"""Attacks on answers, which are no better than chance where all answers are alike."""

every_measure = pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)


@pytest.fixture
def whole_case(original_case: Case, oracle_view: View) -> Case:
    """The untouched model under test, and everything that any measure needs."""
    shadows = Shadows((original_case.view.attack,) * 4, (oracle_view.attack,) * 4)
    placed = beside(line_up(original_case.model), [LinearProbe(), Answers()])
    return replace(original_case, shadows=shadows, beside=placed)


def _values(measure: Measure, case: Case) -> list[float]:
    """The values, or nothing where there is a reason; whatever is given must be defined and within its interval."""
    if measure.missing(case) is not None:
        return []
    readings = measure.measure(case)
    assert readings
    assert all(isfinite(value) for r in readings for value in (r.value, r.low, r.high) if value is not None)
    return [reading.value for reading in readings]


def _rebuilt(case: Case, attack: Callable[[Observed], Observed], test: Callable[[Observed], Observed]) -> Case:
    """The case with other answers of the model and its shadows to attack images, and of the model to test images."""
    assert case.shadows is not None
    forgotten, never = (tuple(map(attack, side)) for side in (case.shadows.forgotten, case.shadows.never))
    return replace(case, view=View(attack(case.view.attack), test(case.view.test)), shadows=Shadows(forgotten, never))


@every_measure
def test_follows_the_protocol(measure: Measure, whole_case: Case) -> None:
    assert isinstance(measure, Measure)
    assert measure.missing(whole_case) is None
    assert {reading.key for reading in measure.measure(whole_case)} <= set(measure.labels)


@every_measure
def test_constant_features_leak_nothing(measure: Measure, whole_case: Case) -> None:
    def flat(seen: Observed) -> Observed:
        layers = tuple(torch.full_like(layer, 0.1) for layer in seen.layers)
        return Observed(torch.full_like(seen.embedding, 0.1), torch.zeros_like(seen.logits), seen.labels, layers)

    values = _values(measure, _rebuilt(whole_case, flat, flat))
    if measure.name in ("linear-probe", "prototype-relearning", "retrieval", "cka"):
        assert set(values) == {0.0}
    if measure.name in ANSWERS:
        assert set(values) == {50.0}
    if measure.name == "idi":
        assert max(values) <= 0.0


@every_measure
def test_nan_logits_and_struck_logits(measure: Measure, whole_case: Case) -> None:
    for logit in (float("nan"), -1e4):

        def said(seen: Observed, to: float = logit) -> Observed:
            return replace(seen, logits=torch.full_like(seen.logits, to))

        values = _values(measure, _rebuilt(whole_case, said, said))
        assert values
        if measure.name in ANSWERS:
            assert set(values) == {50.0}


@every_measure
def test_nan_features_are_a_reason(measure: Measure, whole_case: Case) -> None:
    def broken(seen: Observed) -> Observed:
        layers = tuple(torch.full_like(layer, float("nan")) for layer in seen.layers)
        return replace(seen, embedding=torch.full_like(seen.embedding, float("nan")), layers=layers)

    case = _rebuilt(whole_case, broken, broken)
    _values(measure, case)
    if measure.name in ATTACKS and measure.name != "relearn-time":  # it runs the model itself
        assert "finite" in (measure.missing(case) or "")


@every_measure
def test_a_class_without_attack_images_is_not_called_erased(measure: Measure, whole_case: Case) -> None:
    none = _rebuilt(whole_case, lambda seen: seen.only((1, 2, 3, 5)), lambda seen: seen)
    one = _rebuilt(whole_case, lambda seen: seen.only(range(1, 6)), lambda seen: seen)
    for case in (none, one):
        _values(measure, case)
    if measure.name in ATTACKS:
        assert measure.missing(none) == "needs a forgotten class with attack images and test images"
    if measure.name in ("linear-probe", "prototype-relearning", "retrieval"):
        assert {reading.n for reading in measure.measure(one)} <= {20, 80}
        assert _values(measure, one)[0] >= 95


@every_measure
def test_a_single_retained_class(measure: Measure, whole_case: Case) -> None:
    case = replace(whole_case, retain=(5,))
    if measure.name == "class-membership":
        assert measure.missing(case) == "needs at least three retained classes with attack and test images"
    else:
        assert _values(measure, case)
