from dataclasses import replace

import pytest

from expunge.data import Splits, align
from expunge.errors import ClassMismatchError, DuplicateClassError, EmptyClassError


@pytest.fixture
def splits(labelled):
    """Classes a, b, c; the training labels are 0 1 2, validation's 1, test's 2 0."""
    return Splits(
        labelled([0, 1, 2], prefix="x"),
        labelled([1], prefix="y"),
        labelled([2, 0], prefix="z"),
        ("broken.png",),
    )


def test_labels_follow_the_models_order(splits):
    aligned = align(splits, ["c", "a", "b"])
    assert aligned.classes == ("c", "a", "b")
    assert (aligned.train.labels, aligned.validation.labels, aligned.test.labels) == ((1, 2, 0), (2,), (0, 1))
    for part in ("train", "validation", "test"):
        before, after = getattr(splits, part), getattr(aligned, part)
        assert after.samples == before.samples
        assert [after.classes[y] for y in after.labels] == [before.classes[y] for y in before.labels]


def test_what_was_skipped_stays_known_and_the_same_order_changes_nothing(splits):
    assert align(splits, ["c", "a", "b"]).skipped == ("broken.png",)
    assert align(splits, ["a", "b", "c"]) == splits


def test_a_partial_data_set_leaves_classes_without_images(splits):
    aligned = align(splits, ["d", "c", "b", "a"], partial=True)
    assert aligned.classes == ("d", "c", "b", "a")
    assert aligned.train.counts() == (0, 1, 1, 1)
    assert aligned.train.labels == (3, 2, 1)


def test_missing_classes_are_named(splits):
    with pytest.raises(ClassMismatchError) as caught:
        align(splits, ["a", "b", "c", "d"])
    message = str(caught.value)
    assert "the data lack 1 of the model's 4 classes ('d')" in message
    assert "partial=True" in message
    assert "does not know" not in message


@pytest.mark.parametrize("partial", [False, True])
def test_both_sides_differences_are_named(splits, partial):
    with pytest.raises(ClassMismatchError) as caught:
        align(splits, ["a", "B", "C"], partial)
    message = str(caught.value)
    assert "the model does not know 2 of the data's 3 classes ('b', 'c')" in message
    assert "the data lack 2 of the model's 3 classes ('B', 'C')" in message
    assert "exactly as the model does" in message
    assert "partial=True" not in message  # would not help


def test_a_long_difference_is_cut_but_counted(splits):
    with pytest.raises(ClassMismatchError, match=r"lack 1000 of the model's 1003 .*\('0', '1', '2', '3', '4', …\)"):
        align(splits, ["a", "b", "c", *map(str, range(1000))])


def test_a_model_with_two_classes_of_one_name_cannot_be_matched(splits):
    with pytest.raises(DuplicateClassError, match="'a' is named more than once"):
        align(splits, ["a", "b", "c", "a"])


def test_classes_without_training_images_are_named_unless_they_may_lack_them(splits):
    lacking = replace(splits, train=splits.train.without([0]))
    with pytest.raises(EmptyClassError, match=r"without training images, .*\(1\): 'a'\. .*--memory.*--missing"):
        align(lacking, ["a", "b", "c"])
    with pytest.raises(EmptyClassError, match="'a'"):
        align(lacking, ["a", "b", "c", "d"], partial=True, untrained=["d"])
    assert align(lacking, ["a", "b", "c"], untrained=["a"]) == lacking
    assert align(lacking, ["a", "b", "c"], partial=True) == lacking
