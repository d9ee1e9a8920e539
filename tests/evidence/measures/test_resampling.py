"""Bootstrap intervals against distributions worked out by hand and by scipy."""

import numpy as np
import pytest
import scipy.stats
import torch

from expunge.errors import EvidenceError
from expunge.intervals import bootstrap, bootstrap_mean, ends, percentiles, resample, resample_counts
from expunge.values import Interval


def test_two_images_by_hand() -> None:
    # The mean of two draws from 0 and 1 is 0, ½ or 1 with chances ¼, ½, ¼: at 95 % both ends, at 40 % the middle alone.
    values = torch.tensor([0.0, 1.0])
    wide, narrow = (bootstrap_mean(values, seed=0, draws=2000, level=level) for level in (0.95, 0.4))
    assert (wide.low, wide.high) == (0.0, 1.0)
    assert (narrow.low, narrow.high) == (0.5, 0.5)


def test_mean_as_scipy() -> None:
    values = np.random.default_rng(3).gamma(2.0, size=80)
    ours = bootstrap_mean(torch.from_numpy(values), seed=1, draws=4000)
    theirs = scipy.stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=5)
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.02)


def test_any_statistic_of_the_drawn_images() -> None:
    # The median of three draws from 0, 1, 100 is 0 with chance 7/27, 1 with 13/27 and 100 with 7/27.
    values = torch.tensor([0.0, 1.0, 100.0])
    interval = bootstrap(3, lambda drawn: float(values[drawn].median()), seed=0, draws=2000, level=0.4)
    assert (interval.low, interval.high) == (1.0, 1.0)


def test_same_seed_same_interval_whatever_the_global_state() -> None:
    values = torch.linspace(0, 1, 30)
    first = bootstrap_mean(values, seed=5)
    torch.manual_seed(99)
    assert bootstrap_mean(values, seed=5) == first
    assert bootstrap_mean(values, seed=6) != first


def test_counts_are_those_of_the_draws() -> None:
    drawn, counts = resample(7, seed=2, draws=9), resample_counts(7, seed=2, draws=9)
    assert counts.tolist() == [torch.bincount(row, minlength=7).tolist() for row in drawn]


def test_undefined_draws_are_left_out() -> None:
    interval = percentiles(torch.tensor([float("nan"), 2.0, float("inf"), 2.0]))
    assert (interval.low, interval.high) == (2.0, 2.0)


@pytest.mark.parametrize(("n", "draws", "level", "match"), [(0, 9, 0.9, "one image"), (3, 0, 0.9, "one draw")])
def test_nothing_to_draw(n: int, draws: int, level: float, match: str) -> None:
    with pytest.raises(EvidenceError, match=match):
        bootstrap(n, lambda drawn: 0.0, seed=0, draws=draws, level=level)


def test_impossible_level_and_never_defined() -> None:
    with pytest.raises(EvidenceError, match="between 0 and 1"):
        bootstrap_mean(torch.ones(3), seed=0, level=95.0)
    with pytest.raises(EvidenceError, match="defined for some draw"):
        bootstrap(3, lambda drawn: float("nan"), seed=0)


def test_few_images_have_no_interval() -> None:
    one = bootstrap_mean(torch.tensor([0.3]), seed=0)
    assert one.low == one.high  # as every draw is the same
    assert ends(one, 1) == ends(Interval(0.0, 1.0), 4) == (None, None)
    assert ends(Interval(0.0, 1.0), 5) == (0.0, 1.0)
