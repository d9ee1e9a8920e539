"""Bringing a data set's labels into a model's class order, by name."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from expunge.data.images import Images
from expunge.data.splits import Splits
from expunge.errors import ClassMismatchError, EmptyClassError

_SHOWN = 5


def align(
    splits: Splits, classes: Sequence[str], partial: bool = False, untrained: Collection[str] | None = None
) -> Splits:
    """Labels the images anew, so that label i is the model's class i.

    Args:
        splits: Images whose class names are the model's, in any order.
        classes: The model's class names, in the order of its logits.
        partial: Whether classes of the model may be missing from the data; they have no images then.
        untrained: Classes that may have test images without training images; by default none, or all where `partial`.

    Raises:
        ClassMismatchError: The data have classes the model does not know, or, unless `partial`, lack some.
        EmptyClassError: A class has test images and no training images, and is not among `untrained`.
        DuplicateClassError: The model has two classes of one name, which no name can tell apart.
    """
    known, there = set(classes), set(splits.classes)
    unknown = [name for name in splits.classes if name not in known]
    missing = [name for name in classes if name not in there]
    if unknown or (missing and not partial):
        raise ClassMismatchError(_difference(unknown, missing, len(there), len(known)))
    if not (partial and untrained is None):
        _check_trained(splits, untrained or ())
    return replace(
        splits,
        train=_relabel(splits.train, classes),
        validation=_relabel(splits.validation, classes),
        test=_relabel(splits.test, classes),
    )


def _check_trained(splits: Splits, untrained: Collection[str]) -> None:
    counts = zip(splits.classes, splits.train.counts(), splits.test.counts(), strict=True)
    lacking = [name for name, train, test in counts if test and not train and name not in untrained]
    if lacking:
        raise EmptyClassError(
            f"classes without training images, though they have test images ({len(lacking)}): {_first(lacking)}. "
            "Add some to train/<class>; to forget, a memory that knows the class can stand in (--memory, for a method "
            "that reads it), or its name among the classes without images (--missing)"
        )


def _relabel(images: Images, classes: Sequence[str]) -> Images:
    index = {name: label for label, name in enumerate(classes)}
    return Images(images.samples, tuple(index[images.classes[label]] for label in images.labels), tuple(classes))


def _difference(unknown: Sequence[str], missing: Sequence[str], there: int, known: int) -> str:
    """Both sides' differences, and what to do about them."""
    message = "the classes of the data are not those of the model:"
    if unknown:
        message += f" the model does not know {len(unknown)} of the data's {there} classes ({_first(unknown)});"
    if missing:
        message += f" the data lack {len(missing)} of the model's {known} classes ({_first(missing)});"
    message += " name the data's classes exactly as the model does"
    return message if unknown else message + ", or allow missing ones with partial=True"


def _first(names: Sequence[str]) -> str:
    more = ", …" if len(names) > _SHOWN else ""
    return ", ".join(repr(name) for name in names[:_SHOWN]) + more
