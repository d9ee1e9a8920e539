import pytest

from expunge.data import Images, Sample
from expunge.errors import DataError, DuplicateClassError


def test_images_hold_samples_labels_and_all_class_names(labelled):
    images = labelled([0, 2, 0, 2])
    assert len(images) == 4
    assert images.classes == ("a", "b", "c")
    assert images.counts() == (2, 0, 2)
    assert all(isinstance(sample, Sample) for sample in images.samples)


def test_select_takes_samples_and_labels_in_the_order_given(labelled):
    chosen = labelled([0, 1, 2, 1]).select([3, 0])
    assert [sample.name for sample in chosen.samples] == ["s3", "s0"]
    assert chosen.labels == (1, 0)


def test_only_and_without_keep_the_order_and_the_class_names(labelled):
    images = labelled([2, 0, 1, 2, 0])
    assert [sample.name for sample in images.only({0, 2}).samples] == ["s0", "s1", "s3", "s4"]
    assert [sample.name for sample in images.without([0, 2]).samples] == ["s2"]
    assert images.only([0]).classes == images.classes
    assert len(images.only([])) == 0
    assert images.without([]) == images


def test_load_reads_all_or_the_chosen_ones_in_order(labelled):
    images = labelled([0, 1, 2])
    assert [image.getpixel((0, 0))[0] for image in images.load()] == [0, 1, 2]
    assert [image.getpixel((0, 0))[0] for image in images.load([2, 0, 2])] == [2, 0, 2]


def test_equal_images_are_equal_hashable_and_frozen(labelled):
    assert {labelled([0, 1]), labelled([0, 1]), labelled([1, 1])} == {labelled([0, 1]), labelled([1, 1])}
    with pytest.raises(AttributeError):
        labelled([0]).labels = (1,)


def test_as_many_labels_as_samples(labelled):
    with pytest.raises(DataError, match="2 samples came with 1 labels"):
        Images(labelled([0, 0]).samples, (0,), ("a",))


@pytest.mark.parametrize("label", [-1, 3])
def test_labels_must_name_a_class(labelled, label):
    with pytest.raises(DataError, match=f"label {label} names no class: expected 0 to 2 for 3 classes"):
        labelled([0, label, 2])


def test_a_class_is_named_once():
    with pytest.raises(DuplicateClassError, match="'crane' is named more than once"):
        Images((), (), ("crane", "heron", "crane"))


@pytest.mark.parametrize("index", [-1, 2])
def test_indices_must_be_there(labelled, index):
    images = labelled([0, 1])
    with pytest.raises(DataError, match=f"index {index} is outside 0 to 1"):
        images.select([0, index])
    with pytest.raises(DataError, match=f"index {index} is outside 0 to 1"):
        images.load([index])


@pytest.mark.parametrize("index", [-1, 3])
def test_class_indices_must_be_there(labelled, index):
    images = labelled([0, 1])
    for view in (images.only, images.without):
        with pytest.raises(DataError, match=f"class index {index} names no class: there are 3"):
            view({index})


def test_a_sum_holds_the_samples_of_both_in_their_order(labelled):
    images = labelled([0, 1, 2])
    assert images.select([2, 0]) + images.select([1]) == images.select([2, 0, 1])
    assert images + images.select([]) == images


def test_images_of_other_classes_are_not_joined(labelled):
    images = labelled([0, 1, 2])
    with pytest.raises(DataError, match="images of other classes cannot be joined"):
        _ = images + Images((), (), images.classes[::-1])
