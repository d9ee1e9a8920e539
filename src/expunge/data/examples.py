"""Protocol of a data set's content, whatever the task: images with labels, or scenes with boxes."""

from collections.abc import Collection, Iterable
from typing import Protocol, Self, TypeVar, runtime_checkable

from expunge.data.images import Sample


@runtime_checkable
class Examples(Protocol):
    """Examples that models learn from and are tested with, such as `Images` or `Scenes`."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of all classes, also of those without an example here."""
        ...

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The pictures, in a fixed order."""
        ...

    def __len__(self) -> int: ...

    def __add__(self, other: Self) -> Self:
        """The examples of both, one after the other."""
        ...

    def select(self, indices: Iterable[int]) -> Self:
        """The examples at `indices`, in the order given."""
        ...

    def only(self, classes: Collection[int]) -> Self:
        """Examples of `classes` (indices), order kept."""
        ...

    def without(self, classes: Collection[int]) -> Self:
        """Examples of all other classes, order kept."""
        ...

    def counts(self) -> tuple[int, ...]:
        """Number of examples of each class."""
        ...


E = TypeVar("E", bound=Examples)
