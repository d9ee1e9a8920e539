"""Information against an integral, the index by hand, and both on the toy models."""

from dataclasses import replace
from math import log

import pytest
import scipy.integrate
import scipy.stats
import torch

from expunge.evidence import Case, Reading
from expunge.evidence.measures.idi import IDI, difference_index, information, pointwise_gains


def _gaussians(n: int, distance: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 2 == 0
    return torch.randn(n, 1, generator=generator) + distance * y[:, None], y


def _exact(distance: float) -> float:
    """I(Z; Y) = h(Z) - h(Z | Y) of two unit Gaussians that far apart, in nats."""

    def density(z: float) -> float:
        return float(scipy.stats.norm.pdf(z) + scipy.stats.norm.pdf(z - distance)) / 2

    entropy = scipy.integrate.quad(lambda z: -density(z) * log(density(z)), -10, 10 + distance)[0]
    return entropy - float(scipy.stats.norm.entropy())


@pytest.mark.parametrize("distance", [0.0, 1.0, 2.0])
def test_two_gaussians(distance: float) -> None:
    # A logistic probe is exact here, so the bound is tight; 0, 0.11 and 0.34 nats.
    gains = pointwise_gains(*_gaussians(4000, distance, 0), *_gaussians(20000, distance, 1))
    _, y = _gaussians(20000, distance, 1)
    assert float(information(gains[None], y)) == pytest.approx(_exact(distance), abs=0.012)


def test_rare_labels_weigh_the_same() -> None:
    features, y = _gaussians(4000, 2.0, 0)
    rare = torch.cat([(~y).nonzero().squeeze(1), y.nonzero().squeeze(1)[:300]])
    held_out, asked = _gaussians(20000, 2.0, 1)
    gains = pointwise_gains(features[rare], y[rare], held_out, asked)
    assert float(information(gains[None], asked)) == pytest.approx(_exact(2.0), abs=0.012)


def test_information_by_hand() -> None:
    gains = torch.tensor([[0.6, 0.2, 0.1, 0.3, 0.5], [-1.0, -1.0, 0.5, 0.5, 0.5]])
    y = torch.tensor([True, True, False, False, False])
    assert information(gains, y).squeeze(1).tolist() == pytest.approx([(0.4 + 0.3) / 2, 0.0])
    counts = torch.tensor([[2.0, 0.0, 0.0, 1.0, 1.0]])
    assert float(information(gains[:1], y, counts)) == pytest.approx((0.6 + 0.4) / 2)
    assert information(gains[:1], y, torch.tensor([[0.0, 0.0, 5.0, 0.0, 0.0]])).isnan().all()


def test_index_by_hand() -> None:
    oracle, original = torch.tensor([[0.1], [0.2]]), torch.tensor([[0.3], [0.6]])
    assert float(difference_index(original, oracle, original)) == pytest.approx(1.0)
    assert float(difference_index(oracle, oracle, original)) == 0.0
    assert float(difference_index(torch.tensor([[0.1], [0.35]]), oracle, original)) == pytest.approx(0.25)
    assert float(difference_index(torch.tensor([[0.0], [0.0]]), oracle, original)) == pytest.approx(-0.5)


def _rows(case: Case) -> dict[str, Reading]:
    return {reading.key: reading for reading in IDI().measure(case)}


def test_fires_on_the_original_and_through_the_mask_but_not_on_the_oracle(
    original_case: Case, masked_case: Case, oracle_case: Case
) -> None:
    original, oracle = _rows(original_case), _rows(oracle_case)
    assert original["idi"].value == pytest.approx(1.0)
    assert oracle["idi"].value == pytest.approx(0.0)
    assert _rows(masked_case)["idi"].value == pytest.approx(1.0)
    assert original["information"].value > 0.5
    assert oracle["information"].value < 0.2
    assert list(original) == ["idi", "information", *(f"information_layer_{layer}" for layer in range(3))]
    assert set(original) <= set(IDI.labels)


def test_no_index_where_nothing_was_to_be_removed(oracle_case: Case) -> None:
    assert "idi" not in _rows(replace(oracle_case, original=oracle_case.view))


def test_needs_an_oracle(original_case: Case) -> None:
    assert IDI().missing(original_case) is None
    assert IDI().missing(replace(original_case, oracle=None)) == "needs an oracle"
