"""The relative test on made-up profiles: values by hand, error rates by simulation."""

from collections import Counter
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from expunge.errors import EvidenceError
from expunge.evidence.strangers._energy import between, class_distances, standardised, student
from expunge.evidence.strangers._relative import Relative, relative_rank, relative_test

RUNS = 300


def classes(count: int, where: float, rng: np.random.Generator, spread: float = 0.5, images: int = 4) -> Tensor:
    """Classes whose means are spread around `where` in the first of three coordinates, and images around them."""
    means = rng.normal(0, spread, (count, 1, 3)) + np.array([where, 0, 0])
    return torch.tensor(means + rng.normal(0, 0.7, (count, images, 3)))


def rates(draw: Callable[[np.random.Generator], Relative], runs: int = RUNS) -> dict[str, float]:
    found = Counter(draw(np.random.default_rng(seed)).nearer for seed in range(runs))
    return {side: found[side] / runs for side in ("innocent", "original", "undecided")}


def most(level: float, runs: int = RUNS) -> float:
    """What a rate of `level` stays below in all but one of a thousand tries."""
    return float(scipy.stats.binom.ppf(0.999, runs, level)) / runs


def by_hand(edited: np.ndarray, innocent: np.ndarray, original: np.ndarray, paired: bool) -> tuple[float, float]:
    """Both distances by loops over images, on profiles as they are."""

    def mean(a: np.ndarray, b: np.ndarray, own: bool) -> float:
        every = [
            np.linalg.norm(x - y)
            for (i, one), (j, two) in ((p, q) for p in enumerate(a) for q in enumerate(b))
            if own or i != j
            for x in one
            for y in two
        ]
        return float(np.mean(every))

    within = mean(edited, edited, own=False)
    to_original = 2 * mean(edited, original, own=False) - within - mean(original, original, own=False)
    to_innocent = 2 * mean(edited, innocent, own=not paired) - within - mean(innocent, innocent, own=False)
    return to_original, to_innocent


def test_distances_by_hand() -> None:
    first = torch.tensor([[[0.0, 0.0], [0.0, 2.0]], [[3.0, 4.0], [3.0, 4.0]]]).double()
    # Between the classes: 5, 5 from the origin; sqrt(9 + 4) twice from (0, 2).
    off = (5 + 13**0.5) / 2
    assert class_distances(first, first).flatten().tolist() == pytest.approx([1.0, off, off, 0.0])
    assert float(between(class_distances(first, first))) == pytest.approx(off)
    scaled = standardised((first,), (first,))[0].flatten(0, 1)
    assert scaled.mean(0).tolist() == pytest.approx([0, 0])
    assert scaled.square().mean(0).tolist() == pytest.approx([1, 1])
    constant = standardised((torch.ones(2, 2, 1),), (torch.full((1, 2, 1), 3.0),))[0]
    assert constant.abs().max() == 0  # nothing to compare by


@pytest.mark.parametrize("t", [-40.0, -2.5, -0.3, 0.0, 1.1, 6.0])
def test_student_is_that_of_another_library(t: float) -> None:
    for freedom in (1, 2, 3, 4, 9, 30):
        assert student(t, freedom) == pytest.approx(scipy.stats.t.cdf(t, freedom), abs=1e-12)


@pytest.mark.parametrize("paired", [False, True])
def test_statistic_and_variance_by_brute_force(*, paired: bool) -> None:
    rng = np.random.default_rng(2)
    edited, original = rng.normal(0, 1, (4, 3, 2)), rng.normal(1, 1, (4, 3, 2))
    innocent = rng.normal(-1, 1, (4 if paired else 5, 3, 2))
    pooled = np.concatenate([innocent, original]).reshape(-1, 2)
    e, i, o = ((x - pooled.mean(0)) / pooled.std(0) for x in (edited, innocent, original))
    to_original, to_innocent = by_hand(e, i, o, paired)
    found = relative_test(*(torch.tensor(x) for x in (edited, innocent, original)), paired=paired)
    assert found.to_original == pytest.approx(to_original)
    assert found.to_innocent == pytest.approx(to_innocent)
    assert found.statistic == pytest.approx(to_original - to_innocent)

    def without(x: np.ndarray, c: int) -> np.ndarray:
        return np.delete(x, c, axis=0)

    left = [by_hand(without(e, c), without(i, c) if paired else i, without(o, c), paired) for c in range(4)]
    sides = [np.array([a - b for a, b in left])]
    if not paired:
        sides.append(np.array([a - b for a, b in (by_hand(e, without(i, c), o, paired) for c in range(5))]))
    parts = [(len(s) - 1) / len(s) * ((s - s.mean()) ** 2).sum() for s in sides]
    freedom = sum(parts) ** 2 / sum(v**2 / (len(s) - 1) for v, s in zip(parts, sides, strict=True))
    expected = scipy.stats.t.cdf((to_original - to_innocent) / sum(parts) ** 0.5, int(freedom + 1e-9))
    assert found.p_original == pytest.approx(expected)
    assert found.p_innocent == pytest.approx(1 - expected)


def test_rank_by_brute_force() -> None:
    rng = np.random.default_rng(4)
    edited, innocent, known = (rng.normal(m, 1, (n, 3, 2)) for m, n in ((0.5, 2), (0, 4), (1, 3)))
    pooled = np.concatenate([edited, innocent, known]).reshape(-1, 2)
    e, i, o = ((x - pooled.mean(0)) / pooled.std(0) for x in (edited, innocent, known))

    def score(x: np.ndarray, sample: np.ndarray) -> float:
        cross = np.mean([np.linalg.norm(a - b) for a in x for c in sample for b in c])
        pairs = [np.linalg.norm(a - b) for c, d in combinations(sample, 2) for a in c for b in d]
        return 2 * float(cross) - float(np.mean(pairs))

    def place(pool: np.ndarray, other: np.ndarray) -> tuple[float, float]:
        scores = [score(x, other) - score(x, np.delete(pool, c, axis=0)) for c, x in enumerate(pool)]
        means = [(a + b) / 2 for a, b in combinations(scores, 2)]
        return means[0], float(np.mean([m <= means[0] + 1e-9 for m in means]))

    found = relative_rank(*(torch.tensor(x) for x in (edited, innocent, known)))
    statistic, p_original = place(np.concatenate([e, i]), o)
    assert found.statistic == pytest.approx(statistic)
    assert found.p_original == pytest.approx(p_original)
    assert found.p_innocent == pytest.approx(place(np.concatenate([e, o]), i)[1])


@pytest.mark.parametrize(("forgotten", "strangers"), [(3, 10), (5, 20), (12, 12)])
def test_equally_far_is_decided_no_more_often_than_the_level_says(forgotten: int, strangers: int) -> None:
    """Edited classes half way: either side may be called at most at the nominal rate."""

    def draw(rng: np.random.Generator) -> Relative:
        kinds = ((forgotten, 0.0), (strangers, -1.0), (forgotten, 1.0))
        return relative_test(*(classes(n, where, rng) for n, where in kinds))

    found = rates(draw)
    assert found["original"] <= most(0.05)
    assert found["innocent"] <= most(0.05)


def test_neither_are_classes_that_stayed_what_they_were_and_moved_half_way() -> None:
    """The edited classes are the original ones, shifted: what a class is by itself must not speak for the original."""

    def draw(rng: np.random.Generator) -> Relative:
        own = rng.normal(0, 0.5, (6, 1, 3))
        edited, original = (torch.tensor(own + np.array([x, 0, 0]) + rng.normal(0, 0.7, (6, 4, 3))) for x in (0, 1))
        return relative_test(edited, classes(15, -1.0, rng), original)

    found = rates(draw)
    assert found["original"] <= most(0.05)
    assert found["innocent"] <= most(0.05)


def test_three_alike_are_undecided() -> None:
    found = rates(lambda rng: relative_test(*(classes(n, 0.0, rng) for n in (5, 20, 5))))
    assert found["original"] <= most(0.05)
    assert found["innocent"] <= most(0.05)


def test_draws_like_strangers_are_never_taken_for_originals() -> None:
    found = rates(lambda rng: relative_test(*(classes(n, m, rng) for n, m in ((8, -1.0), (20, -1.0), (8, 1.0)))))
    assert found["original"] == 0
    assert found["innocent"] > 0.8


def test_the_untouched_model_is_caught() -> None:
    def draw(rng: np.random.Generator) -> Relative:
        original = classes(8, 1.0, rng)
        return relative_test(original, classes(20, -1.0, rng), original)

    found = rates(draw)
    assert found["innocent"] == 0
    assert found["original"] > 0.9


@pytest.mark.parametrize("forgotten", [1, 2])
def test_a_place_in_line_errs_exactly_as_often_as_it_says(forgotten: int) -> None:
    """Draws like the strangers: the p-value is uniform on its steps, from below and from above."""
    runs, strangers = 400, 19 if forgotten == 1 else 9
    low, high = (float(scipy.stats.binom.ppf(q, runs, share)) / runs for q, share in ((0.001, 0.2), (0.999, 0.2)))
    hits = 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        kinds = ((forgotten, 0.0), (strangers, 0.0), (4, 0.5))
        hits += relative_rank(*(classes(n, where, rng) for n, where in kinds)).p_original <= 0.2
    assert low <= hits / runs <= high


def test_a_place_in_line_has_power_on_both_sides() -> None:
    def draw(where: float) -> Callable[[np.random.Generator], Relative]:
        return lambda rng: relative_rank(classes(1, where, rng), classes(20, -1.5, rng), classes(20, 1.5, rng))

    assert rates(draw(1.5), 40)["original"] > 0.8
    assert rates(draw(-1.5), 40)["innocent"] > 0.8


def test_a_class_far_from_both_is_seen_by_its_distances() -> None:
    rng = np.random.default_rng(1)
    found = relative_test(*(classes(n, where, rng) for n, where in ((6, -9.0), (20, -1.0), (6, 1.0))))
    assert found.nearer == "innocent"  # the nearer of two that are both far
    assert found.to_innocent is not None
    assert found.to_innocent > 3


def test_constant_profiles_say_nothing() -> None:
    same = torch.ones(3, 2, 2)
    found = relative_test(same, same, same)
    assert (found.nearer, found.p_innocent, found.p_original) == ("undecided", 0.5, 0.5)
    assert (found.classes, found.against, found.rule) == (3, 3, "jackknife")


def test_too_few_classes_are_refused() -> None:
    one = torch.ones(2, 2, 2)
    with pytest.raises(EvidenceError, match="three classes a side"):
        relative_test(one, torch.ones(5, 2, 2), one)
    with pytest.raises(EvidenceError, match="as many if paired"):
        relative_test(torch.ones(3, 2, 2), torch.ones(4, 2, 2), torch.ones(3, 2, 2), paired=True)
    with pytest.raises(EvidenceError, match="one or two forgotten"):
        relative_rank(torch.ones(3, 2, 2), one, one)
    with pytest.raises(EvidenceError, match="two strangers"):
        relative_rank(one, torch.ones(1, 2, 2), one)
