"""Data sets of Hugging Face `datasets`. That library is not imported here: its objects are handed in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from expunge.data._labels import as_labels, length
from expunge.data.images import Images
from expunge.data.pixels import Pixels, reading, to_pixels
from expunge.data.splits import Splits, carve, check_carved
from expunge.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class RowSample:
    """One row of a data set."""

    rows: Any = field(repr=False)
    index: int
    column: str
    part: str

    @property
    def name(self) -> str:
        """Part and row number, such as `train/7`."""
        return f"{self.part}/{self.index}"

    def load(self) -> Pixels:
        """Decodes the row's image.

        Raises:
            UnreadableImageError: It cannot be decoded.
            DataError: The column holds something else than images.
        """
        with reading(self.name):
            return to_pixels(self.rows[self.index][self.column], self.name)


def from_hf(
    train: Any,
    test: Any = None,
    *,
    image: str = "image",
    label: str = "label",
    classes: Sequence[str] | None = None,
    validation: float = 0.2,
    seed: int = 0,
) -> Splits:
    """Takes a data set of Hugging Face `datasets`; each image is decoded when asked for.

    Args:
        train: A map-style `datasets.Dataset`, or a mapping such as a `DatasetDict` that holds `train` and
            `test`; its other entries are ignored.
        test: The rows to measure on, unless `train` is such a mapping.
        image: Column of images, decoded by an `Image` feature or a transform.
        label: Column of labels, integers.
        classes: Class names; by default those of the label column's `ClassLabel` feature.
        validation: Share of each class's training rows that becomes validation (see `carve`).
        seed: Draws the validation rows.

    Raises:
        DataError: Rows, columns, class names or labels are missing or do not fit together.
    """
    check_carved(validation)
    train, test = _pair(train, test)
    if classes is None:
        classes = _class_names(train, "train", label)
        if classes != _class_names(test, "test", label):
            raise DataError(
                f"the {label!r} columns of train and test have other class names, or another order of them: "
                "cast both to one ClassLabel feature"
            )
    train_images = _images(train, "train", image, label, classes)
    test_images = _images(test, "test", image, label, classes)
    return Splits(*carve(train_images, validation, seed), test_images)


def _pair(train: Any, test: Any) -> tuple[Any, Any]:
    if not isinstance(train, Mapping):
        if test is None:
            raise DataError("there are no test rows: give them as the second argument, or a mapping of both")
        return train, test
    if test is not None:
        raise DataError("train is a mapping and test was given, too: give one of its entries as train")
    missing = [part for part in ("train", "test") if part not in train]
    if missing:
        raise DataError(
            f"the mapping holds {', '.join(map(str, train))}, but no {missing[0]!r}: give the entries "
            "for train and test one by one"
        )
    return train["train"], train["test"]


def _images(rows: Any, part: str, image: str, label: str, classes: Sequence[str]) -> Images:
    n = length(rows, part)
    for column in (image, label):
        _feature(rows, part, column)
    samples = tuple(RowSample(rows, index, image, part) for index in range(n))
    return Images(samples, as_labels(rows[label], part), tuple(classes))


def _class_names(rows: Any, part: str, label: str) -> tuple[str, ...]:
    names = getattr(_feature(rows, part, label), "names", None)
    if names is None:
        raise DataError(
            f"column {label!r} of the {part} rows names no classes: pass `classes`, or make it a ClassLabel "
            "feature with `class_encode_column`"
        )
    return tuple(names)


def _feature(rows: Any, part: str, column: str) -> Any:
    features = getattr(rows, "features", None)
    if features is None:
        raise DataError(f"the {part} rows ({type(rows).__name__}) have no features: expected a datasets.Dataset")
    if column not in features:
        raise DataError(f"the {part} rows have no column {column!r}: name one of {', '.join(features)}")
    return features[column]
