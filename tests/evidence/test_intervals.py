"""Wilson intervals against published values, the equation they solve, and what must always hold."""

from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expunge.errors import EvidenceError
from expunge.intervals import wilson


@st.composite
def trials(draw: st.DrawFn) -> tuple[int, int]:
    n = draw(st.integers(1, 5000))
    return draw(st.integers(0, n)), n


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [  # Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3
        (81, 263, 25.53, 36.62),
        (15, 148, 6.24, 16.05),
        (0, 20, 0.0, 16.11),
        (1, 29, 0.61, 17.18),
    ],
)
def test_published_values(hits: int, n: int, low: float, high: float) -> None:
    interval = wilson(hits, n)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.005)


def test_nothing_left_of_25_images() -> None:
    # By hand: at 0 hits the upper end is z² / (n + z²), z = 1.959964.
    interval = wilson(0, 25)
    assert interval.low == 0.0
    assert interval.high == pytest.approx(100 * 3.841459 / 28.841459, abs=1e-4)


def test_without_trials_nothing_is_known() -> None:
    interval = wilson(0, 0)
    assert (interval.low, interval.high) == (0.0, 100.0)


@given(trials(), st.sampled_from([(0.90, 1.6448536), (0.95, 1.9599640), (0.99, 2.5758293)]))
def test_ends_are_the_rates_a_score_test_just_rejects(trial: tuple[int, int], level: tuple[float, float]) -> None:
    (hits, n), (confidence, z) = trial, level
    interval = wilson(hits, n, confidence)
    for end in (interval.low / 100, interval.high / 100):
        if 0 < end < 1:
            assert abs(hits / n - end) / sqrt(end * (1 - end) / n) == pytest.approx(z, rel=1e-4)


@given(trials())
def test_contains_the_rate_and_stays_on_the_scale(trial: tuple[int, int]) -> None:
    hits, n = trial
    interval = wilson(hits, n)
    assert 0.0 <= interval.low <= 100.0 * hits / n <= interval.high <= 100.0
    assert interval.low < interval.high


@given(trials())
def test_misses_mirror_hits(trial: tuple[int, int]) -> None:
    hits, n = trial
    straight, mirrored = wilson(hits, n), wilson(n - hits, n)
    assert (mirrored.low, mirrored.high) == pytest.approx((100 - straight.high, 100 - straight.low))


@given(trials(), st.integers(2, 9))
def test_more_trials_say_more(trial: tuple[int, int], times: int) -> None:
    hits, n = trial
    few, many = wilson(hits, n), wilson(times * hits, times * n)
    assert many.high - many.low < few.high - few.low


@pytest.mark.parametrize(("hits", "n"), [(-1, 5), (6, 5), (1, 0)])
def test_impossible_counts(hits: int, n: int) -> None:
    with pytest.raises(EvidenceError, match=f"got {hits} hits of {n}"):
        wilson(hits, n)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_impossible_levels(level: float) -> None:
    with pytest.raises(EvidenceError, match="between 0 and 1"):
        wilson(1, 2, level)
