"""PyTorch data sets, and any sequences, of items (image, label)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from expunge.data._labels import as_label, as_labels, length
from expunge.data.images import Images
from expunge.data.pixels import Pixels, reading, to_pixels
from expunge.data.splits import Splits, carve, check_carved
from expunge.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class ItemSample:
    """One item of a data set."""

    items: Any = field(repr=False)
    index: int
    label: int
    part: str

    @property
    def name(self) -> str:
        """Part and item number, such as `train/7`."""
        return f"{self.part}/{self.index}"

    def load(self) -> Pixels:
        """Reads the item's image.

        Raises:
            UnreadableImageError: It cannot be decoded.
            DataError: It is neither a Pillow image nor a prepared tensor, or its label is another one now.
        """
        with reading(self.name):
            image, label = _item(self.items, self.index, self.name)
            if label != self.label:
                raise DataError(
                    f"item {self.name} has label {label}, but {self.label} was given for it: "
                    "pass labels in the order of the items, as the items have them"
                )
            return to_pixels(image, self.name)


def from_torch(
    train: Any,
    test: Any,
    classes: Sequence[str],
    *,
    train_labels: Iterable[Any] | None = None,
    test_labels: Iterable[Any] | None = None,
    validation: float = 0.2,
    seed: int = 0,
) -> Splits:
    """Takes map-style PyTorch data sets, or any sequences, of items (image, label).

    An image is a Pillow image, or a float tensor of shape (channels, height, width) that is prepared for
    the model already; a label is an integer.

    Args:
        train: The items to learn from.
        test: The items to measure on.
        classes: Class names; label i is `classes[i]`.
        train_labels: The labels of `train` in order, often its `targets`. Without them each item is read
            once now for its label, and again when its image is asked for.
        test_labels: The same for `test`.
        validation: Share of each class's training items that becomes validation (see `carve`).
        seed: Draws the validation items.

    Raises:
        DataError: Items or labels are missing or do not fit together.
        UnreadableImageError: An item cannot be read for its label.
    """
    check_carved(validation)
    train_images = _images(train, "train", train_labels, classes)
    test_images = _images(test, "test", test_labels, classes)
    return Splits(*carve(train_images, validation, seed), test_images)


def _images(items: Any, part: str, given: Iterable[Any] | None, classes: Sequence[str]) -> Images:
    n = length(items, part)
    labels = _read_labels(items, part, n) if given is None else as_labels(given, part)
    if len(labels) != n:
        raise DataError(f"{len(labels)} labels were given for {n} {part} items: give one an item")
    samples = tuple(ItemSample(items, index, label, part) for index, label in enumerate(labels))
    return Images(samples, labels, tuple(classes))


def _read_labels(items: Any, part: str, n: int) -> tuple[int, ...]:
    labels: list[int] = []
    for index in range(n):
        with reading(f"{part}/{index}"):
            labels.append(_item(items, index, f"{part}/{index}")[1])
    return tuple(labels)


def _item(items: Any, index: int, name: str) -> tuple[Any, int]:
    item = items[index]
    if not isinstance(item, Sequence) or len(item) != 2:
        raise DataError(f"item {name} is of type {type(item).__name__}: expected a pair (image, label)")
    return item[0], as_label(item[1], name)
