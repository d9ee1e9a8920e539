"""Steering: the similarity by hand, pushes that bring a class back, and what no push can bring back."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from expunge.errors import EvidenceError
from expunge.evidence import Case
from expunge.evidence.measures._turn import fit_turn
from expunge.evidence.measures.steering import Steering
from expunge.intervals import difference
from expunge.tasks.classification.views import view
from expunge.tasks.views import View
from tests.evidence.measures import marks


def test_a_similarity_is_found_again() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    rotation = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64)).Q
    onto = 2.5 * features @ rotation + torch.tensor([1.0, -2.0, 3.0])
    turn = fit_turn(features, onto)
    assert torch.allclose(turn.turning, 2.5 * rotation)
    fresh = torch.randn(5, 3, generator=generator)
    assert torch.allclose(turn(fresh), 2.5 * fresh.double() @ rotation + torch.tensor([1.0, -2.0, 3.0]))


def test_a_similarity_cannot_stretch_one_axis() -> None:
    # Onto (10 x, y), the scale is trace(S) / ‖X‖² = (10 · 2 + 1 · 2) / 4, the same for both axes.
    features = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    turn = fit_turn(features, features * torch.tensor([10.0, 1.0]))
    assert torch.allclose(turn.turning, 5.5 * torch.eye(2, dtype=torch.float64))


def test_features_that_are_all_alike_turn_into_the_mean() -> None:
    turn = fit_turn(torch.ones(4, 2), torch.arange(12.0).reshape(4, 3))
    assert turn(torch.tensor([[7.0, -7.0]])).tolist() == [[4.5, 5.5, 6.5]]


def test_interval_of_a_difference_as_published() -> None:
    # Newcombe (1998), table II, method 10, example (a): 56/70 - 48/80, from 0.0524 to 0.3339.
    around = difference(56 / 70, 70, 48 / 80, 80)
    assert (around.low, around.high) == pytest.approx((5.24, 33.39), abs=0.01)
    # Example (h): 10/10 - 0/10, from 0.6075 to 1.
    around = difference(1.0, 10, 0.0, 10)
    assert (around.low, around.high) == pytest.approx((60.75, 100.0), abs=0.01)


def _damped(case: Case, share: float) -> Case:
    """The model under test with a share of what sets forgotten classes apart taken out before its last block."""
    module = deepcopy(case.model.module)
    entering, labels = case.view.attack.layers[-2], case.view.attack.labels
    centre = entering[case.view.attack.among(case.retain)].mean(0)
    apart = torch.stack([entering[labels == label].mean(0) - centre for label in case.forgotten])
    basis = torch.linalg.qr(apart.T).Q

    def damp(block: nn.Module, given: object, hidden: Tensor) -> Tensor:
        return hidden - share * (hidden - centre) @ basis @ basis.T

    module.get_submodule("blocks.1").register_forward_hook(damp)
    model = marks.wrap(module)
    return replace(case, model=model, view=view(model, case.attack, case.test))


def _value(case: Case, **settings: object) -> float:
    (reading,) = Steering(**settings).measure(case)  # pyright: ignore[reportArgumentType]
    return reading.value


def test_fires_on_the_original_and_through_the_mask_but_not_on_the_oracle(
    original_case: Case, masked_case: Case, oracle_case: Case
) -> None:
    original = _value(original_case)
    assert original >= 90
    assert _value(masked_case) == original
    assert _value(oracle_case) < 30


def test_a_class_that_is_held_back_comes_forth_by_the_push(original_case: Case) -> None:
    suppressed = _damped(original_case, 0.9)
    alone = _value(suppressed, strengths=(0.0,))
    assert alone < 70
    assert _value(suppressed) > alone + 25


def test_a_push_that_names_everything_counts_for_nothing(original_case: Case) -> None:
    assert abs(_value(original_case, strengths=(1000.0,))) < 10


def test_intervals_and_trials(original_case: Case) -> None:
    (few,), (many,) = Steering(controls=5).measure(original_case), Steering().measure(original_case)
    assert (few.key, few.unit, few.n, many.n) == ("steering", "%", 40, 40)
    assert few.low is not None
    assert many.low is not None
    assert many.high is not None
    assert few.low < many.low <= many.value <= many.high


def test_leaves_the_model_as_it_was(masked_case: Case) -> None:
    before = masked_case.model.digest()
    first = _value(masked_case)
    assert _value(masked_case) == first
    assert masked_case.model.digest() == before


def test_reasons_why_not(original_case: Case) -> None:
    steering, seen = Steering(), original_case.view
    assert steering.missing(original_case) is None
    bare = replace(original_case.original, attack=replace(original_case.original.attack, layers=()))
    reason = "needs what the original's blocks give for the attack images"
    assert steering.missing(replace(original_case, original=bare)) == reason
    part = View(seen.attack.select(torch.arange(60)), seen.test)
    assert (
        steering.missing(replace(original_case, view=part)) == "needs a view of all attack images and all test images"
    )
    few = original_case.test.only((0, 4))
    gone = replace(original_case, test=few, view=View(seen.attack, seen.test.only((0, 4))))
    assert steering.missing(gone) == "needs test images of a retained class"


def test_settings_that_cannot_work() -> None:
    for settings, words in (
        ({"strengths": ()}, r"strengths must hold 1 or more, got \(\)"),
        ({"strengths": (-1.0,)}, "strengths must be 0 or more, got -1"),
        ({"controls": 0}, "controls must be greater than 0, got 0"),
    ):
        with pytest.raises(EvidenceError, match=words):
            Steering(**settings)  # pyright: ignore[reportArgumentType]
