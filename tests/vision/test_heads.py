"""Losses against formulas worked out anew, and the classifiers that make the logits."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from expunge.errors import HeadError
from expunge.vision import ArcFaceHead, CosFaceHead, CosineClassifier, Head, SoftmaxHead
from expunge.vision.heads import head_from_json, head_to_json

LABELS = torch.tensor([0, 2, 1, 0])
COSINES = torch.tensor([[0.9, 0.1, -0.4], [0.3, -0.2, 0.5], [0.0, -0.97, 0.2], [-1.0, 0.7, 0.1]])


def cross_entropy(logits: np.ndarray) -> float:
    """Mean over rows of log(sum of exponentials) minus the true class's logit."""
    rows = [math.log(sum(math.exp(v) for v in row)) - row[label] for row, label in zip(logits, LABELS, strict=True)]
    return sum(rows) / len(rows)


def test_softmax_is_cross_entropy() -> None:
    assert SoftmaxHead().loss(COSINES, LABELS).item() == pytest.approx(cross_entropy(COSINES.numpy()), rel=1e-5)


def test_softmax_of_even_logits_is_the_logarithm_of_the_classes() -> None:
    assert SoftmaxHead().loss(torch.zeros(4, 3), LABELS).item() == pytest.approx(math.log(3))


def test_cosface_lowers_the_true_cosine() -> None:
    expected = COSINES.double().numpy().copy()
    for row, label in enumerate(LABELS):
        expected[row, label] -= 0.35
    loss = CosFaceHead(scale=16.0, margin=0.35).loss(16.0 * COSINES, LABELS)
    assert loss.item() == pytest.approx(cross_entropy(16.0 * expected), rel=1e-5)


def test_arcface_widens_the_true_angle() -> None:
    margin = 0.5
    expected = COSINES.double().numpy().copy()
    for row, label in enumerate(LABELS):
        angle = math.acos(expected[row, label])
        beyond = angle + margin > math.pi
        widened = math.cos(angle) - margin * math.sin(margin) if beyond else math.cos(angle + margin)
        expected[row, label] = widened
    loss = ArcFaceHead(scale=16.0, margin=margin).loss(16.0 * COSINES, LABELS)
    assert loss.item() == pytest.approx(cross_entropy(16.0 * expected), rel=1e-5)


def test_arcface_never_rewards_a_wider_angle() -> None:
    """The true logit must fall all the way from angle 0 to pi, or the loss would have a second minimum."""
    cosines = torch.linspace(1, -1, 201)[:, None]
    logits = 8.0 * torch.cat([cosines, torch.zeros_like(cosines)], 1)
    head = ArcFaceHead(scale=8.0)
    losses = torch.stack([head.loss(row[None], torch.tensor([0])) for row in logits])
    assert (losses.diff() > 0).all()


@pytest.mark.parametrize("head", [CosFaceHead(scale=8.0, margin=0.0), ArcFaceHead(scale=8.0, margin=0.0)])
def test_without_a_margin_it_is_softmax(head: Head) -> None:
    assert head.loss(8 * COSINES, LABELS).item() == pytest.approx(
        SoftmaxHead().loss(8 * COSINES, LABELS).item(), rel=1e-5
    )


@pytest.mark.parametrize("head", [SoftmaxHead(), CosFaceHead(), ArcFaceHead()])
def test_gradients_are_finite_at_the_ends(head: Head) -> None:
    logits = (64.0 * torch.tensor([[1.0, -1.0, 0.0]])).requires_grad_()
    for label in range(3):
        head.loss(logits, torch.tensor([label])).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("head", [CosFaceHead(), ArcFaceHead()])
def test_struck_classes_do_not_spoil_the_loss(head: Head) -> None:
    logits = (64.0 * COSINES).index_fill(1, torch.tensor([1]), -1e4)
    assert head.loss(logits, torch.tensor([0, 2, 0, 2])).isfinite()


@pytest.mark.parametrize("kind", [CosFaceHead, ArcFaceHead])
@pytest.mark.parametrize(("scale", "margin"), [(0.0, 0.3), (-1.0, 0.3), (64.0, -0.1), (float("nan"), 0.3)])
def test_impossible_settings_are_refused(kind: type, scale: float, margin: float) -> None:
    with pytest.raises(HeadError, match="scale above 0"):
        kind(scale, margin)


@pytest.mark.parametrize("head", [SoftmaxHead(), CosFaceHead(30.0, 0.1), ArcFaceHead(20.0, 0.4)])
def test_heads_survive_json(head: Head) -> None:
    assert head_from_json(head_to_json(head)) == head


def test_a_head_in_json_is_as_documented() -> None:
    assert head_to_json(CosFaceHead()) == {"kind": "cosface", "scale": 64.0, "margin": 0.35}


@pytest.mark.parametrize("values", [{"kind": "sigmoid"}, {}, {"kind": "softmax", "scale": 3.0}])
def test_unknown_heads_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(HeadError):
        head_from_json(values)


def classifier(weight: Tensor, scale: float) -> CosineClassifier:
    module = CosineClassifier(weight.shape[1], len(weight), scale)
    with torch.no_grad():
        module.weight.copy_(weight)
    return module


def test_cosine_classifier_by_hand() -> None:
    module = classifier(torch.tensor([[3.0, 4.0], [0.0, 2.0], [0.0, 0.0]]), scale=10.0)
    module.bias[2] = -7.0
    logits = module(torch.tensor([[5.0, 0.0], [3.0, 4.0]]))
    torch.testing.assert_close(logits, torch.tensor([[6.0, 0.0, -7.0], [10.0, 8.0, -7.0]]))


def test_cosine_classifier_ignores_lengths() -> None:
    module = CosineClassifier(4, 3)
    embedding = torch.randn(5, 4)
    torch.testing.assert_close(module(embedding), module(9.0 * embedding))
