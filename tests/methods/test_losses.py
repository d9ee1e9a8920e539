import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from scipy.stats import entropy
from torch.nn import functional

from expunge.memory import Prototypes
from expunge.methods._losses import bounded, prototype_divergence
from expunge.tasks.classification.bounds import chance_loss, forget_bound, pairwise_divergence, prototype_bound
from expunge.vision import ArcFaceHead, CosFaceHead, SoftmaxHead


def test_bounded_by_hand() -> None:
    assert bounded(torch.tensor(3.0), 10.0).item() == 7.0
    assert bounded(torch.tensor(12.0), 10.0).item() == 0.0


def test_bounded_has_no_gradient_past_the_bound() -> None:
    loss = torch.tensor([3.0, 12.0], requires_grad=True)
    total = bounded(loss[0], 10.0) + bounded(loss[1], 10.0)
    assert torch.autograd.grad(total, loss)[0].tolist() == [-1.0, 0.0]


def test_prototype_divergence_against_scipy() -> None:
    rng = np.random.default_rng(0)
    z, p = rng.normal(size=(5, 7)), rng.normal(size=(5, 7))
    expected = np.mean([entropy(softmax(a), softmax(b)) for a, b in zip(z, p, strict=True)])
    assert prototype_divergence(torch.tensor(z), torch.tensor(p)).item() == pytest.approx(expected, rel=1e-9)


def test_prototype_divergence_is_not_symmetric_and_zero_at_itself() -> None:
    z, p = torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 1.0]])
    assert prototype_divergence(z, z).item() == pytest.approx(0.0, abs=1e-7)
    assert prototype_divergence(z, p).item() != pytest.approx(prototype_divergence(p, z).item(), rel=1e-3)


def test_prototype_divergence_ends_where_the_least_likely_entry_has_it_all() -> None:
    """The published bound of 50 nats is for the other direction, which has no end."""
    p = torch.randn(1, 512, generator=torch.Generator().manual_seed(0))
    end = -functional.log_softmax(p, dim=1).min()
    z = 1000.0 * functional.one_hot(p.argmin(dim=1), 512).float()
    assert prototype_divergence(z, p).item() == pytest.approx(end.item(), rel=1e-5)
    assert 8 < end < 12
    assert (
        functional.kl_div(
            functional.log_softmax(z, 1), functional.log_softmax(p, 1), log_target=True, reduction="batchmean"
        )
        > 50
    )


@pytest.mark.parametrize(
    "head", [SoftmaxHead(), CosFaceHead(64.0, 0.35), CosFaceHead(16.0, 0.2), ArcFaceHead(64.0, 0.5)]
)
@pytest.mark.parametrize("classes", [2, 40, 1000])
def test_chance_is_the_heads_own_loss_on_equal_logits(head, classes) -> None:
    equal = head.loss(torch.zeros(3, classes, dtype=torch.float64), torch.tensor([0, 1, 1]))
    assert chance_loss(head, classes) == pytest.approx(equal.item(), rel=1e-5)
    assert forget_bound(head, classes) == pytest.approx(2 * equal.item(), rel=1e-5)


def test_divergences_between_prototypes_against_scipy() -> None:
    rows = np.random.default_rng(0).normal(size=(4, 6))
    found = pairwise_divergence(torch.tensor(rows))
    for i in range(4):
        for j in range(4):
            expected = float(np.sum(softmax(rows[i]) * (log_softmax(rows[i]) - log_softmax(rows[j]))))
            assert found[i, j].item() == pytest.approx(expected, abs=1e-12)


def test_prototype_bound_is_the_mean_over_pairs_of_known_classes() -> None:
    rows = torch.tensor([[1.0, 0.0], [0.0, 1.0], [9.0, 9.0]])
    prototypes = Prototypes(rows, torch.tensor([3, 2, 0]))  # the third class has no image
    high, low = softmax([1.0, 0.0])
    expected = high * np.log(high / low) + low * np.log(low / high)  # the same both ways round
    assert prototype_bound(prototypes) == pytest.approx(expected, rel=1e-6)


def test_prototype_bound_of_a_single_class_is_zero() -> None:
    assert prototype_bound(Prototypes(torch.ones(2, 3), torch.tensor([1, 0]))) == 0.0
