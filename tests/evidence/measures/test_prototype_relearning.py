"""Rows made of a few images: who wins by hand, and on models that leak and that cannot."""

from dataclasses import replace

import pytest
import torch

from expunge.errors import EvidenceError
from expunge.evidence import Case
from expunge.evidence.measures.prototype_relearning import PrototypeRelearning, prototype_wins
from expunge.tasks.views import View


def test_who_wins_by_hand() -> None:
    # Rivals at (1, 0) and (-1, 0) put the origin at 0; the candidate points up, so it wins above 45 degrees.
    rivals = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    features = torch.tensor([[0.0, 1.0], [1.0, 2.0], [2.0, 1.0], [-2.0, 1.0], [0.0, -1.0]])
    assert prototype_wins(features, torch.tensor([[0.0, 9.0]]), rivals).tolist() == [1, 1, 0, 0, 0]


def test_share_of_candidates() -> None:
    rivals = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    candidates = torch.tensor([[0.0, 1.0], [0.0, -1.0], [0.1, 1.0], [1.0, 0.1]])
    assert prototype_wins(torch.tensor([[0.0, 1.0]]), candidates, rivals).tolist() == [0.75]


def test_neither_scale_nor_a_common_shift_matters() -> None:
    generator = torch.Generator().manual_seed(0)
    features, candidates, rivals = (torch.randn(n, 6, generator=generator) for n in (50, 7, 4))
    wins = prototype_wins(features, candidates, rivals)
    assert 0 < wins.mean() < 1
    assert torch.equal(prototype_wins(3 * features + 20, 3 * candidates + 20, 3 * rivals + 20), wins)


def test_a_tie_is_lost() -> None:
    rows = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert prototype_wins(torch.tensor([[5.0, 0.0]]), rows[:1], rows).tolist() == [0]
    assert prototype_wins(torch.ones(3, 2), torch.ones(1, 2), torch.ones(2, 2)).tolist() == [0, 0, 0]


def _values(case: Case) -> dict[str, float]:
    """The rates over all classes."""
    readings = PrototypeRelearning().measure(case)
    return {reading.key: reading.value for reading in readings if not reading.key.endswith("_worst")}


def test_fires_on_the_original_and_through_the_mask_but_not_on_the_oracle(
    original_case: Case, masked_case: Case, oracle_case: Case
) -> None:
    original, oracle = _values(original_case), _values(oracle_case)
    assert list(original) == ["prototype_relearning_1", "prototype_relearning_5", "prototype_relearning_10"]
    assert min(original.values()) >= 95
    assert _values(masked_case) == original
    assert oracle["prototype_relearning_1"] < 50
    assert max(oracle.values()) < 70


def test_one_class_that_comes_back_is_not_hidden_by_the_others(original_case: Case) -> None:
    found = {reading.key: reading for reading in PrototypeRelearning(shots=(5,)).measure(original_case)}
    alone = [
        PrototypeRelearning(shots=(5,)).measure(replace(original_case, forget=(label,), earlier=()))
        for label in original_case.forgotten
    ]
    assert list(found) == ["prototype_relearning_5", "prototype_relearning_5_worst"]
    assert [len(one) for one in alone] == [1, 1]  # of one class there is no other
    assert found["prototype_relearning_5"].value == pytest.approx(sum(one[0].value for one in alone) / 2, abs=2)
    assert found["prototype_relearning_5_worst"].value == pytest.approx(max(one[0].value for one in alone), abs=2)
    assert [reading.n for reading in found.values()] == [40, 20]


def test_repeats_with_its_seed_only(oracle_case: Case) -> None:
    assert _values(oracle_case) == _values(oracle_case)
    assert _values(replace(oracle_case, seed=1)) != _values(oracle_case)


def test_skips_what_has_too_few_images(original_case: Case) -> None:
    attack = original_case.view.attack
    few = attack.select(torch.cat([(attack.labels == label).nonzero().squeeze(1)[:7] for label in range(6)]))
    case = replace(original_case, view=View(few, original_case.view.test))
    assert list(_values(case)) == ["prototype_relearning_1", "prototype_relearning_5"]


def test_impossible_settings() -> None:
    with pytest.raises(EvidenceError, match="shots among"):
        PrototypeRelearning(shots=(3,))
    with pytest.raises(EvidenceError, match="0 draws"):
        PrototypeRelearning(draws=0)
