"""Accuracies worked out by hand, and the laws between them."""

import statistics

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from expunge.errors import EvidenceError
from expunge.tasks.classification.accuracy import accuracy, accuracy_of, mask_classes, per_class
from expunge.tasks.scores import harmonic_mean
from expunge.values import Rate

LOGITS = torch.tensor(
    [
        [5.0, 1.0, 0.0],  # 0: right
        [1.0, 5.0, 0.0],  # 0: wrong
        [0.0, 2.0, 1.0],  # 1: right
        [0.0, 1.0, 9.0],  # 2: right
        [4.0, 3.0, 3.5],  # 2: wrong
    ]
)
LABELS = torch.tensor([0, 0, 1, 2, 2])


@st.composite
def answers(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    n, c = draw(st.integers(0, 12)), draw(st.integers(2, 6))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    return torch.randn(n, c, generator=generator), torch.randint(c, (n,), generator=generator)


def test_by_hand() -> None:
    assert accuracy(LOGITS, LABELS) == Rate(3, 5)
    assert accuracy_of(LOGITS, LABELS, {0}) == Rate(1, 2)
    assert accuracy_of(LOGITS, LABELS, [1, 2]) == Rate(2, 3)
    assert accuracy_of(LOGITS, LABELS, ()) == Rate(0, 0)
    assert per_class(LOGITS, LABELS, 4) == (Rate(1, 2), Rate(1, 1), Rate(1, 2), Rate(0, 0))


@given(answers())
def test_agrees_with_argmax_where_nothing_ties(answer: tuple[Tensor, Tensor]) -> None:
    logits, labels = answer
    expected = int((np.argmax(logits.numpy(), axis=1) == labels.numpy()).sum())
    assert accuracy(logits, labels) == Rate(expected, len(labels))


@given(answers())
def test_classes_add_up_to_the_whole(answer: tuple[Tensor, Tensor]) -> None:
    logits, labels = answer
    whole, parts = accuracy(logits, labels), per_class(logits, labels, logits.shape[1])
    assert Rate(sum(p.hits for p in parts), sum(p.n for p in parts)) == whole
    assert parts == tuple(accuracy_of(logits, labels, [c]) for c in range(logits.shape[1]))


@given(answers(), st.randoms(use_true_random=False))
def test_the_order_of_classes_does_not_matter(answer: tuple[Tensor, Tensor], random) -> None:
    logits, labels = answer
    order = list(range(logits.shape[1]))
    random.shuffle(order)
    places = torch.tensor([order.index(c) for c in range(len(order))])
    assert accuracy(logits[:, order], places[labels]) == accuracy(logits, labels)


@pytest.mark.parametrize("value", [0.0, float("inf"), float("-inf"), float("nan")])
def test_a_model_that_says_the_same_of_all_classes_knows_none(value: float) -> None:
    logits = torch.full((3, 3), value)
    assert accuracy(logits, torch.tensor([0, 1, 2])) == Rate(0, 3)


def test_a_tie_at_the_top_is_wrong_a_tie_below_is_not() -> None:
    logits = torch.tensor([[2.0, 2.0, 1.0], [2.0, 1.0, 1.0]])
    assert accuracy(logits, torch.tensor([0, 0])) == Rate(1, 2)


def test_label_types_and_a_single_class() -> None:
    assert accuracy(LOGITS.half(), LABELS.to(torch.int32)) == Rate(3, 5)
    assert per_class(LOGITS, LABELS.to(torch.int16), 3)[0] == Rate(1, 2)
    assert accuracy(torch.zeros(2, 1), torch.tensor([0, 0])) == Rate(2, 2)


@pytest.mark.parametrize("labels", [[0, 0, 1, 2, 3], [-1, 0, 1, 2, 2]])
def test_labels_must_be_columns(labels: list[int]) -> None:
    with pytest.raises(EvidenceError, match="labels from 0 to 2"):
        accuracy(LOGITS, torch.tensor(labels))
    with pytest.raises(EvidenceError, match="labels from 0 to 1"):
        per_class(LOGITS, LABELS, 2)


def test_head_mask_by_hand() -> None:
    masked = mask_classes(LOGITS, [1])
    assert accuracy_of(masked, LABELS, [1]) == Rate(0, 1)
    assert accuracy_of(masked, LABELS, [0]) == Rate(2, 2)  # image 1 falls back to its class
    assert torch.equal(LOGITS[:, 1], torch.tensor([1.0, 5.0, 2.0, 1.0, 3.0])), "the original is left as it is"
    assert torch.equal(mask_classes(LOGITS, []), LOGITS)


@given(answers(), st.sets(st.integers(0, 1)))
def test_head_mask_hides_its_classes_and_costs_the_others_nothing(
    answer: tuple[Tensor, Tensor], hidden: set[int]
) -> None:
    logits, labels = answer
    masked, others = mask_classes(logits, hidden), set(range(logits.shape[1])) - hidden
    assert accuracy_of(masked, labels, hidden).hits == 0
    assert accuracy_of(masked, labels, others).hits >= accuracy_of(logits, labels, others).hits


def test_published_h() -> None:
    # GS-LoRA, CASIA-Face100, 100-20: Acc_r 74.16, Acc_f 74.65 before and 0 after, printed H 74.40.
    assert harmonic_mean(74.16, 74.65) == pytest.approx(74.40, abs=0.005)


@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_h_is_the_harmonic_mean(acc_r: float, drop: float) -> None:
    assert harmonic_mean(acc_r, drop) == pytest.approx(statistics.harmonic_mean([acc_r, drop]))


@pytest.mark.parametrize(("acc_r", "drop"), [(0.0, 0.0), (90.0, 0.0), (0.0, 90.0), (90.0, -4.0), (0.0, -4.0)])
def test_h_is_0_where_nothing_was_kept_or_lost(acc_r: float, drop: float) -> None:
    assert harmonic_mean(acc_r, drop) == 0.0
