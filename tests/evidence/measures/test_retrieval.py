"""Search and verification by hand, and on models that leak and that cannot."""

import pytest
import torch

from expunge.evidence import Case
from expunge.evidence.measures.retrieval import Retrieval, cosines, nearest_agree, tar_at_far


def test_cosines_by_hand() -> None:
    found = cosines(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    assert found.flatten().tolist() == pytest.approx([0.6, 0.8, 0.0, 0.0])


@pytest.mark.parametrize(
    ("scores", "k", "agrees"),
    [  # The gallery's classes are 0 0 0 1 1 2, the query's is 1.
        ([0.1, 0.2, 0.3, 0.9, 0.0, 0.8], 1, True),
        ([0.1, 0.2, 0.3, 0.7, 0.0, 0.8], 1, False),
        ([0.1, 0.2, 0.3, 0.8, 0.0, 0.8], 1, False),  # a tie
        ([0.8, 0.7, 0.1, 0.2, 0.3, 0.0], 5, False),  # three votes of class 0 against two
        ([0.1, 0.2, 0.0, 0.4, 0.3, 0.9], 4, True),  # two votes, against one each
        ([0.8, 0.7, 0.0, 0.75, 0.74, 0.1], 4, False),  # two each, class 0 nearer in sum
        ([0.8, 0.6, 0.0, 0.75, 0.74, 0.1], 4, True),  # two each, class 1 nearer in sum
        ([0.5, 0.5, 0.5, 0.5, 0.5, 0.5], 3, False),
        ([0.9, 0.9, 0.9, 0.9, 0.9, 0.9], 99, False),
    ],
)
def test_votes_by_hand(scores: list[float], k: int, agrees: bool) -> None:
    gallery = torch.tensor([0, 0, 0, 1, 1, 2])
    assert nearest_agree(torch.tensor([scores], dtype=torch.float64), torch.tensor([1]), gallery, k).tolist() == [
        agrees
    ]


def test_tar_by_hand() -> None:
    # Ten impostors at 0.0 to 0.9. At a FAR of 20 % two may pass, those at 0.8 and 0.9: the threshold is 0.7.
    scores = torch.tensor([[*(i / 10 for i in range(10)), 0.65, 0.7, 0.75, 0.95]], dtype=torch.float64)
    same = torch.tensor([[False] * 10 + [True] * 4])
    assert tar_at_far(scores, same, 0.2) == 0.5
    assert tar_at_far(scores, same, 0.01) == 0.25  # none may pass
    assert tar_at_far(scores, same, 1.0 - 1e-9) == 1.0


def test_tar_without_pairs() -> None:
    scores = torch.ones(1, 3, dtype=torch.float64)
    assert tar_at_far(scores, torch.ones(1, 3, dtype=torch.bool), 0.01) == 0.0
    assert tar_at_far(scores, torch.zeros(1, 3, dtype=torch.bool), 0.01) == 0.0


def _values(case: Case) -> dict[str, float]:
    return {reading.key: reading.value for reading in Retrieval().measure(case)}


def test_fires_on_the_original_and_through_the_mask_but_not_on_the_oracle(
    original_case: Case, masked_case: Case, oracle_case: Case
) -> None:
    original, oracle = _values(original_case), _values(oracle_case)
    assert list(original) == ["rank1", "knn_5", "tar_at_far_1", "tar_at_far_01"]
    assert min(original.values()) >= 95
    assert _values(masked_case) == original
    assert oracle["rank1"] < 80
    assert oracle["knn_5"] < 80
    assert oracle["tar_at_far_1"] < 20
    assert oracle["tar_at_far_01"] < 10
