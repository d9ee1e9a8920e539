from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expunge.data import Images, Splits, carve
from expunge.errors import ClassMismatchError, DataError

LAW = settings(max_examples=40)
LABELS = st.lists(st.integers(0, 3), max_size=40)
FRACTIONS = st.sampled_from([0.01, 0.1, 0.25, 0.5, 0.8, 0.99])
SEEDS = st.integers(-3, 2**40)


def names(images):
    return [sample.name for sample in images.samples]


@LAW
@given(LABELS, FRACTIONS, SEEDS)
def test_carving_parts_the_images_and_keeps_their_order(labelled, labels, fraction, seed):
    images = labelled(labels, 4)
    train, validation = carve(images, fraction, seed)
    assert not set(names(train)) & set(names(validation))
    order = {name: position for position, name in enumerate(names(images))}
    assert sorted(names(train) + names(validation), key=order.__getitem__) == names(images)
    for part in (train, validation):
        assert names(part) == sorted(names(part), key=order.__getitem__)
        assert all(images.labels[order[n]] == y for n, y in zip(names(part), part.labels, strict=True))
        assert part.classes == images.classes


@LAW
@given(LABELS, FRACTIONS, SEEDS)
def test_every_class_gives_its_share(labelled, labels, fraction, seed):
    images = labelled(labels, 4)
    train, validation = carve(images, fraction, seed)
    for n, kept, carved in zip(images.counts(), train.counts(), validation.counts(), strict=True):
        assert kept + carved == n
        if n < 2:
            assert carved == 0
        else:
            assert 1 <= carved <= n - 1
            exact = Decimal(str(fraction)) * n
            assert abs(carved - exact) <= Decimal("0.5") or carved in (1, n - 1)


@LAW
@given(LABELS, FRACTIONS, SEEDS)
def test_carving_is_deterministic(labelled, labels, fraction, seed):
    assert carve(labelled(labels, 4), fraction, seed) == carve(labelled(labels, 4), fraction, seed)


@LAW
@given(LABELS, FRACTIONS, SEEDS, st.permutations(range(4)), st.sets(st.integers(0, 3)))
def test_a_class_is_carved_alike_whatever_the_others_are(labelled, labels, fraction, seed, order, dropped):
    images = labelled(labels, 4)
    other = images.without(dropped)
    other = Images(
        other.samples[::-1],
        tuple(order.index(label) for label in other.labels[::-1]),
        tuple(images.classes[label] for label in order),
    )
    carved, carved_other = carve(images, fraction, seed)[1], carve(other, fraction, seed)[1]
    assert set(names(carved.without(dropped))) == set(names(carved_other))


def test_seeds_draw_differently_and_evenly(labelled):
    images = labelled([0] * 10)
    drawn = [names(carve(images, 0.1, seed)[1])[0] for seed in range(300)]
    counts = [drawn.count(name) for name in names(images)]
    assert sum(counts) == 300
    assert min(counts) >= 15  # 30 expected, standard deviation 5.2
    assert max(counts) <= 45


@pytest.mark.parametrize(
    ("fraction", "n", "carved"),
    [(0.2, 5, 1), (0.2, 7, 1), (0.2, 8, 2), (0.25, 10, 3), (0.145, 100, 15), (0.01, 2, 1), (0.99, 3, 2)],
)
def test_the_share_is_rounded_half_up(labelled, fraction, n, carved):
    assert len(carve(labelled([0] * n), fraction, 0)[1]) == carved


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_the_fraction_must_leave_something_on_both_sides(labelled, fraction):
    with pytest.raises(DataError, match="validation fraction"):
        carve(labelled([0, 0]), fraction, 0)


def test_splits_share_their_classes_and_are_hashable(labelled):
    parts = [labelled([0, 1], prefix=prefix) for prefix in "xyz"]
    splits = Splits(*parts)
    assert splits.classes == ("a", "b", "c")
    assert splits.skipped == ()
    assert {splits} == {Splits(*parts)}


@pytest.mark.parametrize("part", [1, 2])
def test_splits_with_other_classes_are_refused(labelled, part):
    parts = [labelled([0, 1], prefix=prefix) for prefix in "xyz"]
    parts[part] = labelled([0, 1], 2, prefix="w")
    with pytest.raises(ClassMismatchError, match="other classes than the training part"):
        Splits(*parts)


@pytest.mark.parametrize(
    ("prefixes", "message"),
    [
        ("xxz", "x0 is in train and in validation"),
        ("xyx", "x0 is in train and in test"),
        ("xyy", "y0 is in validation and in test"),
    ],
)
def test_an_image_is_in_one_split_only(labelled, prefixes, message):
    with pytest.raises(DataError, match=message):
        Splits(*(labelled([0, 1], prefix=prefix) for prefix in prefixes))
