"""How forgotten classes are answered: by hand, and a class that was learnt beside one that was not."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from expunge.evidence import Case
from expunge.evidence.measures.answers import Answers, compactness
from expunge.evidence.strangers.lineup import Lineup
from expunge.tasks.views import Observed, View


def values(case: Case) -> dict[str, float]:
    return {row.key: row.value for row in Answers().measure(case)}


def by_hand(case: Case, embedding: Tensor, likely: Tensor, labels: list[int]) -> Case:
    """Images with these embeddings, answered with these probabilities among classes 0 to 2; 1 and 2 stay."""
    seen = Observed(embedding, likely.log(), torch.tensor(labels))
    return replace(case, view=View(seen, seen), forget=(0,), earlier=(), retain=(1, 2))


def test_all_four_by_hand(original_case: Case) -> None:
    embedding = torch.tensor([[3.0, 0.0], [1.0, 2.0], [1.0, 0.0], [0.0, 1.0], [2.0, -1.0]])
    likely = torch.tensor([[0.8, 0.15, 0.05], [0.5, 0.1, 0.4], [0.2, 0.6, 0.2], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    rows = values(by_hand(original_case, embedding, likely, [0, 0, 0, 1, 2]))
    # With its own column struck the class is answered .75, .8 and .75: once class 1, once class 2, once class 1.
    assert rows["confidence_among_retained"] == pytest.approx(100 * (0.75 + 0.8 + 0.75) / 3)
    assert rows["answer_concentration"] == pytest.approx(200 / 3)
    # Norms 3, √5 and 1; of the retained 1 and √5.
    assert rows["embedding_norm"] == pytest.approx((3 + 5**0.5 + 1) / 3 / ((1 + 5**0.5) / 2))
    # The retained mean is (1, 0): what is left is (2, 0), (0, 2) and nothing, whose cosines are 0.
    assert rows["compactness"] == pytest.approx(0.0)


def test_compactness_by_hand() -> None:
    assert compactness(torch.tensor([[2.0, 0.0], [5.0, 0.0]])) == pytest.approx(1.0)
    assert compactness(torch.tensor([[2.0, 0.0], [-5.0, 0.0]])) == pytest.approx(-1.0)
    # 60°, 60° and 120° apart: (1/2 + 1/2 - 1/2) / 3
    three = torch.tensor([[1.0, 0.0], [0.5, 0.75**0.5], [-0.5, 0.75**0.5]])
    assert compactness(three) == pytest.approx(1 / 6)
    assert compactness(torch.ones(1, 3)) != compactness(torch.ones(1, 3))


def test_fires_on_the_original_but_not_on_the_oracle(original_case: Case, oracle_case: Case) -> None:
    original, oracle = values(original_case), values(oracle_case)
    assert original["confidence_among_retained"] < oracle["confidence_among_retained"] - 15
    assert original["compactness"] > oracle["compactness"] + 0.05
    assert set(original) == set(oracle) == set(Answers.labels)


def test_a_struck_row_changes_nothing(original_case: Case, masked_case: Case) -> None:
    assert values(masked_case) == pytest.approx(values(original_case), rel=1e-5)


def test_a_class_that_is_sent_to_one_place_and_pushed_out_stands_apart(original_case: Case) -> None:
    """Classes 0 and 1 stay. Class 2 is answered with one name and twice the norm; strangers 3 to 5 with either name."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(6).repeat_interleave(20)
    embedding = torch.nn.functional.normalize(torch.randn(120, 4, generator=generator), dim=1)
    embedding[labels == 2] *= 2
    logits = torch.randn(120, 3, generator=generator)
    logits[labels == 2, 1] = 9.0
    seen = Observed(embedding, logits, labels)
    images = original_case.test
    lineup = Lineup(original_case.model, View(seen, seen), images, images, (0, 1), (2,), (3, 4, 5))
    found = Answers().by_class(lineup)
    for key, side in (("embedding_norm", "above"), ("answer_concentration", "below")):
        assert found[key][0] > 1.2 * found[key][1:].max()
        assert Answers.known_side[key] == side
    torch.testing.assert_close(found["embedding_norm"], torch.tensor([2.0, 1.0, 1.0, 1.0]).double(), rtol=0, atol=1e-6)


def test_leaves_out_what_has_no_images(original_case: Case) -> None:
    test = original_case.view.test
    one = test.select(torch.cat([(test.labels == 0).nonzero()[:1, 0], (test.labels == 1).nonzero()[:, 0]]))
    few = replace(original_case, view=View(original_case.view.attack, one))
    assert set(values(few)) == {"confidence_among_retained", "embedding_norm", "answer_concentration"}
    assert {row.n for row in Answers().measure(few)} == {1}
    assert Answers().missing(few) is None
    none = replace(few, view=View(one, test.only([1])))
    assert Answers().missing(none) == "needs test images of a forgotten class and of a retained one"
    broken = replace(test, embedding=test.embedding * torch.nan)
    assert Answers().missing(replace(few, view=View(one, broken))) == "needs embeddings that are finite"
