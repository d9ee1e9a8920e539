"""Images, features and logits that say little or nothing: a defined value or a reason, never a crash or a NaN."""

from dataclasses import replace
from math import isfinite

import pytest
import torch

from expunge.evidence import Case, Measure, Observed, View
from expunge.evidence.measures.cka import CKA
from expunge.evidence.measures.idi import IDI
from expunge.evidence.measures.linear_probe import LinearProbe
from expunge.evidence.measures.prototype_relearning import PrototypeRelearning
from expunge.evidence.measures.relearn_time import RelearnTime
from expunge.evidence.measures.retrieval import Retrieval

MEASURES = (LinearProbe(), PrototypeRelearning(), Retrieval(), CKA(), IDI(), RelearnTime(cap=2))
ATTACKS = (*MEASURES[:3], *MEASURES[4:])

every_measure = pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
every_attack = pytest.mark.parametrize("measure", ATTACKS, ids=lambda measure: measure.name)


def _values(measure: Measure, case: Case) -> list[float]:
    """The values, or nothing where there is a reason; whatever is given must be defined and within its interval."""
    if measure.missing(case) is not None:
        return []
    readings = measure.measure(case)
    assert readings
    assert all(isfinite(value) for r in readings for value in (r.value, r.low, r.high) if value is not None)
    return [reading.value for reading in readings]


def _rebuilt(case: Case, change) -> Case:
    seen = case.view
    return replace(case, view=View(change(seen.attack), change(seen.test)))


@every_measure
def test_follows_the_protocol(measure: Measure, original_case: Case) -> None:
    assert isinstance(measure, Measure)
    assert measure.missing(original_case) is None
    assert {reading.key for reading in measure.measure(original_case)} <= set(measure.labels)


@every_measure
def test_constant_features_leak_nothing(measure: Measure, original_case: Case) -> None:
    def flat(seen: Observed) -> Observed:
        layers = tuple(torch.full_like(layer, 0.1) for layer in seen.layers)
        return Observed(torch.full_like(seen.embedding, 0.1), torch.zeros_like(seen.logits), seen.labels, layers)

    values = _values(measure, _rebuilt(original_case, flat))
    if measure.name in ("linear-probe", "prototype-relearning", "retrieval", "cka"):
        assert set(values) == {0.0}
    if measure.name == "idi":
        assert max(values) <= 0.0


@every_measure
def test_nan_logits_and_struck_logits(measure: Measure, original_case: Case) -> None:
    for logit in (float("nan"), -1e4):
        changed = _rebuilt(original_case, lambda seen, to=logit: replace(seen, logits=torch.full_like(seen.logits, to)))
        assert _values(measure, changed)


@every_attack
def test_nan_features_are_a_reason(measure: Measure, original_case: Case) -> None:
    def broken(seen: Observed) -> Observed:
        layers = tuple(torch.full_like(layer, float("nan")) for layer in seen.layers)
        return replace(seen, embedding=torch.full_like(seen.embedding, float("nan")), layers=layers)

    if measure.name != "relearn-time":  # it runs the model itself
        assert "finite" in (measure.missing(_rebuilt(original_case, broken)) or "")


@every_attack
def test_a_class_without_attack_images_is_not_called_erased(measure: Measure, original_case: Case) -> None:
    none = replace(original_case, view=View(original_case.view.attack.only((1, 2, 3, 5)), original_case.view.test))
    assert measure.missing(none) == "needs a forgotten class with attack images and test images"
    one = replace(original_case, view=View(original_case.view.attack.only(range(1, 6)), original_case.view.test))
    if measure.name in ("linear-probe", "prototype-relearning", "retrieval"):
        assert {reading.n for reading in measure.measure(one)} <= {20, 80}
        assert _values(measure, one)[0] >= 95


@every_measure
def test_a_single_retained_class(measure: Measure, original_case: Case) -> None:
    case = replace(original_case, retain=(5,))
    assert _values(measure, case)
