from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.data import carve, few_shot, replay
from expunge.errors import DataError, TooFewImagesError

ENOUGH = st.lists(st.integers(0, 2), max_size=30).map(lambda more: [0, 1, 2] * 6 + more)
LAW = settings(max_examples=40)
LABELS = st.lists(st.integers(0, 3), max_size=40)
SEEDS = st.integers(-3, 2**40)
# Half-up shares of 0 to 10 images, written down by hand.
QUARTERS = [0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3]
TENTHS = [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]


def names(images):
    return [sample.name for sample in images.samples]


def positions(images):
    return [int(name[1:]) for name in names(images)]


@LAW
@given(ENOUGH, st.integers(1, 6), SEEDS)
def test_few_shot_takes_exactly_so_many_in_order(labelled, labels, shots, seed):
    images = labelled(labels)
    view = few_shot(images, shots, seed)
    assert view.counts() == (shots,) * 3
    assert positions(view) == sorted(set(positions(view)))
    assert view == images.select(positions(view))
    assert view == few_shot(labelled(labels), shots, seed)


@LAW
@given(ENOUGH, st.integers(1, 6), st.integers(1, 6), SEEDS)
def test_fewer_shots_are_among_more(labelled, labels, shots, others, seed):
    images = labelled(labels)
    fewer, more = (few_shot(images, number, seed) for number in sorted((shots, others)))
    assert set(names(fewer)) <= set(names(more))


def test_few_shot_passes_over_classes_that_a_view_has_left_out(labelled):
    images = labelled([0, 1, 2] * 4)
    assert few_shot(images.only({0, 2}), 2, 0).counts() == (2, 0, 2)
    assert set(names(few_shot(images.only({0}), 2, 0))) < set(names(few_shot(images, 2, 0)))


def test_few_shot_names_the_class_that_has_too_few(labelled):
    with pytest.raises(TooFewImagesError, match=r"class 'b' has 3 images, 4 shots were asked for"):
        few_shot(labelled([0] * 4 + [1] * 3), 4, 0)
    assert few_shot(labelled([0] * 4 + [1] * 3), 3, 0).counts() == (3, 3, 0)


@pytest.mark.parametrize("shots", [0, -1])
def test_few_shot_needs_a_shot(labelled, shots):
    with pytest.raises(DataError, match="at least 1"):
        few_shot(labelled([0]), shots, 0)


def test_draws_are_the_same_on_every_machine_and_in_every_release(labelled):
    images = labelled([0] * 12)
    order = sorted(names(images), key=lambda name: sha256(f"7/{name}".encode()).hexdigest())
    assert set(names(few_shot(images, 5, 7))) == set(order[:5])
    assert set(names(replay(images, 0.5, 7))) == set(order[:6])
    assert set(names(carve(images, 0.25, 7)[1])) == set(order[:3])


def test_seeds_differ(labelled):
    images = labelled([0] * 20)
    assert len({few_shot(images, 4, seed) for seed in range(10)}) > 5
    assert len({replay(images, 0.2, seed) for seed in range(10)}) > 5


@LAW
@given(LABELS, st.sampled_from([0.1, 0.25, 1.0]), SEEDS)
def test_replay_is_a_stratified_share_in_order(labelled, labels, fraction, seed):
    images = labelled(labels, 4)
    view = replay(images, fraction, seed)
    assert positions(view) == sorted(set(positions(view)))
    assert view == images.select(positions(view)) == replay(labelled(labels, 4), fraction, seed)
    for n, taken in zip(images.counts(), view.counts(), strict=True):
        if fraction == 1.0:
            assert taken == n
        elif n <= 10:
            assert taken == (QUARTERS if fraction == 0.25 else TENTHS)[n]


@LAW
@given(LABELS, st.floats(0.01, 1), st.floats(0.01, 1), SEEDS)
def test_a_smaller_replay_is_within_a_larger_one(labelled, labels, fraction, other, seed):
    smaller, larger = (replay(labelled(labels, 4), share, seed) for share in sorted((fraction, other)))
    assert set(names(smaller)) <= set(names(larger))


def test_replay_rounds_half_up_in_decimals(labelled):
    assert len(replay(labelled([0] * 5), 0.1, 0)) == 1
    assert len(replay(labelled([0] * 15), 0.1, 0)) == 2
    assert len(replay(labelled([0] * 14), 0.1, 0)) == 1
    assert len(replay(labelled([0] * 100), 0.145, 0)) == 15


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.1, float("nan")])
def test_replay_needs_a_share(labelled, fraction):
    with pytest.raises(DataError, match="replay fraction"):
        replay(labelled([0]), fraction, 0)
