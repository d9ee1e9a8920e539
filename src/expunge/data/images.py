"""Labelled images: an ordered, frozen list of samples, each read only when its pixels are asked for."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from expunge.data.pixels import Pixels
from expunge.errors import DataError, DuplicateClassError


@runtime_checkable
class Sample(Protocol):
    """One image that can be read.

    Implementations are frozen, hold no pixels and no open file, and are equal only where they are the same image: what
    is known of an image is kept by its sample.
    """

    @property
    def name(self) -> str:
        """Stable from run to run and unique within the data set; draws depend on it."""
        ...

    def load(self) -> Pixels:
        """Reads the image: RGB, or a prepared tensor of shape (channels, height, width).

        Raises:
            UnreadableImageError: It cannot be decoded; the message says which one it is.
        """
        ...


@dataclass(frozen=True, slots=True)
class Images:
    """Samples with their labels.

    Attributes:
        samples: The images, in a fixed order.
        labels: For each sample the index of its class in `classes`.
        classes: Names of all classes, also of those without a sample here.

    Raises:
        DataError: Lengths differ, or a label is outside `classes`.
        DuplicateClassError: One class is named twice.
    """

    samples: tuple[Sample, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.samples) != len(self.labels):
            raise DataError(f"{len(self.samples)} samples came with {len(self.labels)} labels: give one label a sample")
        twice = [name for name, count in Counter(self.classes).items() if count > 1]
        if twice:
            raise DuplicateClassError(f"class {twice[0]!r} is named more than once: give each class its own name")
        outside = sorted(label for label in set(self.labels) if not 0 <= label < len(self.classes))
        if outside:
            raise DataError(
                f"label {outside[0]} names no class: expected 0 to {len(self.classes) - 1} for "
                f"{len(self.classes)} classes (a label of -1 often marks images published without one)"
            )

    def __len__(self) -> int:
        return len(self.samples)

    def __add__(self, other: "Images") -> "Images":
        """The samples of both, one after the other.

        Raises:
            DataError: They are not of the same classes in the same order.
        """
        if self.classes != other.classes:
            raise DataError("images of other classes cannot be joined: bring both into one order with `align` first")
        return Images((*self.samples, *other.samples), (*self.labels, *other.labels), self.classes)

    def select(self, indices: Iterable[int]) -> "Images":
        """The samples at `indices`, in the order given.

        Raises:
            DataError: An index is outside 0 to `len(self) - 1`.
        """
        indices = self._checked(indices)
        return Images(tuple(self.samples[i] for i in indices), tuple(self.labels[i] for i in indices), self.classes)

    def only(self, classes: Collection[int]) -> "Images":
        """The samples of `classes` (indices), order kept; the class names stay all.

        Raises:
            DataError: An index names no class.
        """
        wanted = self._checked_classes(classes)
        return self.select(i for i, label in enumerate(self.labels) if label in wanted)

    def without(self, classes: Collection[int]) -> "Images":
        """The samples of all other classes, order kept; the class names stay all.

        Raises:
            DataError: An index names no class.
        """
        unwanted = self._checked_classes(classes)
        return self.select(i for i, label in enumerate(self.labels) if label not in unwanted)

    def counts(self) -> tuple[int, ...]:
        """Number of samples of each class."""
        counter = Counter(self.labels)
        return tuple(counter[label] for label in range(len(self.classes)))

    def load(self, indices: Iterable[int] | None = None) -> list[Pixels]:
        """Reads the images at `indices`, or all of them, in that order; none stays open.

        Raises:
            DataError: An index is outside 0 to `len(self) - 1`.
            UnreadableImageError: An image cannot be decoded; the message says which one it is.
        """
        chosen = range(len(self)) if indices is None else self._checked(indices)
        return [self.samples[i].load() for i in chosen]

    def _checked(self, indices: Iterable[int]) -> tuple[int, ...]:
        indices = tuple(indices)
        for index in indices:
            if not 0 <= index < len(self):
                raise DataError(f"index {index} is outside 0 to {len(self) - 1}: there are {len(self)} images")
        return indices

    def _checked_classes(self, classes: Collection[int]) -> frozenset[int]:
        for index in classes:
            if not 0 <= index < len(self.classes):
                raise DataError(f"class index {index} names no class: there are {len(self.classes)} classes")
        return frozenset(classes)
