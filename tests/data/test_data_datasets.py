import io

import datasets
import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset

from expunge.data import Sample, from_hf, from_torch, verify
from expunge.errors import DataError, UnreadableImageError

FEATURES = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})


def photo(red: int) -> Image.Image:
    return Image.new("RGB", (3, 2), (red, 0, 0))


def rows(labels, features=FEATURES, first=0, **columns):
    images = [photo(first + number) for number in range(len(labels))]
    names = list(features)
    return datasets.Dataset.from_dict({names[0]: images, names[1]: list(labels)} | columns, features=features)


def reds(images):
    return [np.asarray(image)[0, 0, 0] for image in images.load()]


def names(images):
    return [sample.name for sample in images.samples]


# --- Hugging Face ---


def test_hf_rows_become_splits():
    splits = from_hf(rows([0, 1] * 5), rows([1, 0], first=100))
    assert splits.classes == ("cat", "dog")
    assert splits.train.counts() == (4, 4)
    assert splits.validation.counts() == (1, 1)
    assert names(splits.test) == ["test/0", "test/1"]
    assert splits.test.labels == (1, 0)
    assert reds(splits.test) == [100, 101]
    assert sorted(reds(splits.train) + reds(splits.validation)) == list(range(10))
    assert all(isinstance(sample, Sample) for sample in splits.train.samples)
    assert hash(splits.train) == hash(splits.train)


def test_a_dataset_dict_is_read_by_its_names():
    parts = datasets.DatasetDict({"train": rows([0, 1] * 2), "test": rows([1]), "validation": rows([0])})
    splits = from_hf(parts, seed=4)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (2, 2, 1)
    pair = from_hf(parts["train"], parts["test"], seed=4)
    assert names(splits.validation) == names(pair.validation)


def test_hf_columns_and_classes_can_be_named():
    features = datasets.Features({"img": datasets.Image(), "fine": datasets.Value("int64")})
    train, test = rows([1, 1, 0, 0], features), rows([0], features)
    splits = from_hf(train, test, image="img", label="fine", classes=["x", "y"])
    assert splits.classes == ("x", "y")
    assert splits.test.labels == (0,)
    with pytest.raises(DataError, match=r"'fine' of the train rows names no classes.*class_encode_column"):
        from_hf(train, test, image="img", label="fine")


def test_hf_images_become_rgb_and_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.new("L", (3, 2), 7).save(buffer, "PNG", exif=exif)
    encoded = [{"bytes": buffer.getvalue(), "path": None}]
    test = datasets.Dataset.from_dict({"image": encoded, "label": [0]}, features=FEATURES)
    (image,) = from_hf(rows([0, 1]), test).test.load()
    assert isinstance(image, Image.Image)
    assert (image.mode, image.size, image.getpixel((0, 0))) == ("RGB", (2, 3), (7, 7, 7))


def test_an_unreadable_row_is_named():
    encoded = [{"bytes": b"no image", "path": None}]
    test = datasets.Dataset.from_dict({"image": encoded, "label": [0]}, features=FEATURES)
    splits = from_hf(rows([0, 1]), test)
    with pytest.raises(UnreadableImageError, match="cannot read image test/0"):
        splits.test.load()
    assert verify(splits.test) == ("test/0",)


def test_hf_transforms_may_prepare_tensors():
    def prepare(batch):
        return {"image": [torch.full((3, 4, 4), 0.5) for _ in batch["image"]], "label": batch["label"]}

    splits = from_hf(rows([0, 1]), rows([0]).with_transform(prepare))
    (pixels,) = splits.test.load()
    assert isinstance(pixels, torch.Tensor)
    assert torch.equal(pixels, torch.full((3, 4, 4), 0.5))


def test_labels_of_formatted_rows_are_read():
    splits = from_hf(rows([0, 1]).with_format("torch"), rows([1]).with_format("numpy"))
    assert splits.train.labels == (0, 1)
    assert [type(label) for label in splits.train.labels] == [int, int]
    with pytest.raises(DataError, match=r"train/0 is a torch.uint8 tensor of shape \(3, 2, 3\)"):
        splits.train.load()
    with pytest.raises(DataError, match=r"test/0 is ndarray: expected a Pillow image"):
        splits.test.load()


def test_undecoded_hf_images_are_refused():
    raw = rows([0]).cast_column("image", datasets.Image(decode=False))
    with pytest.raises(DataError, match=r"test/0 is dict: expected a Pillow image.*decode it"):
        from_hf(rows([0, 1]), raw).test.load()


def test_hf_data_without_test_rows():
    with pytest.raises(DataError, match="no test rows"):
        from_hf(rows([0]))
    with pytest.raises(DataError, match="holds train, validation, but no 'test'"):
        from_hf({"train": rows([0]), "validation": rows([0])})
    with pytest.raises(DataError, match="train is a mapping and test was given"):
        from_hf({"train": rows([0]), "test": rows([0])}, rows([0]))


def test_missing_hf_columns_are_named_with_those_there():
    with pytest.raises(DataError, match="the train rows have no column 'img': name one of image, label"):
        from_hf(rows([0]), rows([0]), image="img")
    with pytest.raises(DataError, match="the train rows have no column 'labels': name one of image, label"):
        from_hf(rows([0]), rows([0]), label="labels")
    with pytest.raises(DataError, match="the test rows have no column 'label': name one of image"):
        from_hf(rows([0]), rows([0]).remove_columns("label"))


def test_hf_class_names_agree_in_order():
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["dog", "cat"])})
    with pytest.raises(DataError, match="other class names, or another order"):
        from_hf(rows([0]), rows([0], features))


def test_rows_that_are_no_map_style_dataset_are_refused():
    with pytest.raises(DataError, match=r"train data \(IterableDataset\) have no length"):
        from_hf(rows([0]).to_iterable_dataset(), rows([0]))
    with pytest.raises(DataError, match=r"test rows \(list\) have no features: expected a datasets.Dataset"):
        from_hf(rows([0]), [photo(0)])
    with pytest.raises(DataError, match="the test data are empty"):
        from_hf(rows([0]), rows([]))


def test_hidden_or_missing_hf_labels_are_refused():
    with pytest.raises(DataError, match="label -1 names no class"):
        from_hf(rows([0]), rows([-1]))
    with pytest.raises(DataError, match="the label of train/1 is None: expected an integer"):
        from_hf(rows([0, None]), rows([0]))


# --- PyTorch ---


class Photos(Dataset):
    """Counts how often each item is read."""

    def __init__(self, labels, first=0):
        self.targets = list(labels)
        self.first = first
        self.reads = [0] * len(self.targets)

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        self.reads[index] += 1
        return photo(self.first + index), self.targets[index]


def test_torch_items_become_splits():
    splits = from_torch(Photos([0, 1] * 5), Photos([1, 0], first=100), ["cat", "dog"])
    assert splits.classes == ("cat", "dog")
    assert splits.train.counts() == (4, 4)
    assert splits.validation.counts() == (1, 1)
    assert names(splits.test) == ["test/0", "test/1"]
    assert splits.test.labels == (1, 0)
    assert reds(splits.test) == [100, 101]
    assert all(isinstance(sample, Sample) for sample in splits.train.samples)


def test_tensors_are_taken_as_prepared():
    pixels = torch.rand(4, 3, 5, 5)
    items = TensorDataset(pixels, torch.tensor([0, 1, 1, 0]))
    splits = from_torch(items, Subset(items, [2]), ("a", "b"))
    assert splits.train.labels + splits.validation.labels in {
        (0, 1, 1, 0),
        (1, 0, 0, 1),
        (0, 1, 0, 1),
        (1, 0, 1, 0),
    }
    assert splits.test.labels == (1,)
    (taken,) = splits.test.load()
    assert isinstance(taken, torch.Tensor)
    assert torch.equal(taken, pixels[2])


def test_lists_of_pairs_and_numpy_labels_will_do():
    splits = from_torch([(photo(1), np.int64(0)), [photo(2), 0]], [(photo(3), True)], ["a", "b"])
    assert len(splits.train) == len(splits.validation) == 1
    assert splits.test.labels == (1,)
    assert type(splits.test.labels[0]) is int


def test_given_labels_save_the_first_reading():
    train, test = Photos([0, 1, 0, 1]), Photos([1])
    splits = from_torch(train, test, "ab", train_labels=train.targets, test_labels=torch.tensor(test.targets))
    assert train.reads == [0, 0, 0, 0]
    splits.test.load()
    assert test.reads == [1]
    assert sorted(splits.train.labels + splits.validation.labels) == [0, 0, 1, 1]


def test_labels_are_otherwise_read_from_each_item_once():
    train, test = Photos([0, 1]), Photos([1])
    from_torch(train, test, ["a", "b"])
    assert (train.reads, test.reads) == ([1, 1], [1])


def test_given_labels_are_compared_with_the_items():
    splits = from_torch(Photos([0, 1]), Photos([0]), ["a", "b"], test_labels=[1])
    with pytest.raises(DataError, match="item test/0 has label 0, but 1 was given"):
        splits.test.load()
    with pytest.raises(DataError, match="3 labels were given for 2 train items"):
        from_torch(Photos([0, 1]), Photos([0]), ["a", "b"], train_labels=[0, 1, 0])


class Broken(Photos):
    def __getitem__(self, index):
        return Image.open(io.BytesIO(b"no image")), self.targets[index]


class Stream(IterableDataset):
    def __iter__(self):
        yield photo(0), 0


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ([photo(0)], r"item test/0 is of type Image: expected a pair \(image, label\)"),
        ([(photo(0), 0, 0)], "item test/0 is of type tuple"),
        ([{"image": photo(0), "label": 0}], "item test/0 is of type dict"),
        ([(photo(0), 0.0)], "the label of test/0 is 0.0: expected an integer"),
        ([(photo(0), "cat")], "the label of test/0 is 'cat'"),
        ([(photo(0), torch.tensor([0, 1]))], r"the label of test/0 is tensor\(\[0, 1\]\)"),
        ([(photo(0), 2)], "label 2 names no class: expected 0 to 1"),
        ([], "the test data are empty"),
        (Stream(), r"test data \(Stream\) have no length"),
    ],
)
def test_unusable_torch_items_are_refused(test, message):
    with pytest.raises(DataError, match=message):
        from_torch(Photos([0, 1]), test, ["cat", "dog"])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(3, 2, 2, dtype=torch.uint8), r"torch.uint8 tensor of shape \(3, 2, 2\)"),
        (torch.zeros(2, 2), r"torch.float32 tensor of shape \(2, 2\)"),
        (np.zeros((2, 2, 3)), "test/0 is ndarray"),
    ],
)
def test_torch_images_that_are_neither_are_refused(image, message):
    splits = from_torch(Photos([0, 1]), [(image, 0)], ["cat", "dog"])
    with pytest.raises(DataError, match=message):
        splits.test.load()


def test_an_unreadable_torch_item_is_named():
    with pytest.raises(UnreadableImageError, match="cannot read image test/0"):
        from_torch(Photos([0, 1]), Broken([0]), ["a", "b"])
    splits = from_torch(Photos([0, 1]), Broken([0]), ["a", "b"], test_labels=[0])
    assert verify(splits.test) == ("test/0",)


@pytest.mark.parametrize("load", [from_hf, from_torch])
def test_the_validation_fraction_is_checked_first(load):
    with pytest.raises(DataError, match="validation fraction"):
        load(None, None, classes=["a"], validation=1.0)
