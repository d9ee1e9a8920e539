"""Training, validation and test examples of one data set, kept apart."""

from dataclasses import dataclass
from typing import Generic

from expunge.data._draw import draw_orders, share
from expunge.data.examples import E
from expunge.data.images import Images, Sample
from expunge.data.scenes import Notice
from expunge.errors import ClassMismatchError, DataError


@dataclass(frozen=True)
class Splits(Generic[E]):
    """Three sets of examples with the same classes and no picture in common.

    Attributes:
        train: What methods may learn from.
        validation: Carved from the training examples; for choices such as when to stop. May be empty.
        test: What is measured on, and nothing else.
        skipped: Paths of unreadable files that were left out on request.

    Raises:
        DataError: A picture is in two of the sets.
        ClassMismatchError: The sets have other classes, or another order of them.
    """

    train: E
    validation: E
    test: E
    skipped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        seen: dict[Sample, str] = {}
        for part, examples in (("train", self.train), ("validation", self.validation), ("test", self.test)):
            if examples.classes != self.train.classes:
                raise ClassMismatchError(
                    f"the {part} part has other classes than the training part, or another order: label all alike"
                )
            # Not by name: in COCO's layout pictures of two parts may bear one.
            common = min((sample for sample in examples.samples if sample in seen), key=lambda s: s.name, default=None)
            if common is not None:
                raise DataError(f"image {common.name} is in {seen[common]} and in {part}: keep the sets apart")
            seen |= dict.fromkeys(examples.samples, part)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; labels are indices into them."""
        return self.train.classes

    @property
    def notices(self) -> tuple[Notice, ...]:
        """Notices of what was mended when the parts were read, part by part."""
        parts = (self.train, self.validation, self.test)
        return tuple(notice for part in parts for notice in getattr(part, "notices", ()))


def carve(train: Images, fraction: float, seed: int) -> tuple[Images, Images]:
    """Takes validation images out of the training images, class by class; order is kept in both.

    Of a class with n images, `fraction` of n (round half up) go to validation, but at least one and never
    all; a class with a single image keeps it for training. What is drawn depends on the seed and the names
    of the class's own images only.

    Returns:
        The remaining training images, and the validation images.

    Raises:
        DataError: `fraction` is not strictly between 0 and 1.
    """
    check_carved(fraction)
    validation: set[int] = set()
    for order in draw_orders(train, seed):
        if len(order) > 1:
            validation |= set(order[: min(max(share(fraction, len(order)), 1), len(order) - 1)])
    rest = [position for position in range(len(train)) if position not in validation]
    return train.select(rest), train.select(sorted(validation))


def check_carved(fraction: float) -> None:
    """Refuses a validation fraction that `carve` would refuse, before anything is read.

    Raises:
        DataError: `fraction` is not strictly between 0 and 1.
    """
    if not 0 < fraction < 1:
        raise DataError(f"validation fraction {fraction} is outside 0 to 1, both excluded: try 0.2")
