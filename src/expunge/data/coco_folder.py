"""A folder in COCO's layout: scenes for training, validation and test."""

from collections.abc import Sequence
from pathlib import Path

from expunge.data.coco import load_coco
from expunge.data.scenes import Scenes
from expunge.data.splits import Splits
from expunge.errors import DataLayoutError

ANNOTATIONS = "annotations"


def is_coco(folder: Path) -> bool:
    """Whether a folder is laid out as `load_coco_splits` reads it."""
    return (folder / ANNOTATIONS).is_dir()


def load_coco_splits(
    folder: Path | str, *, classes: Sequence[str] | None = None, skip_missing: bool = False
) -> Splits[Scenes]:
    """Lists a folder in COCO's layout: `annotations/instances_PART.json`, and the pictures in PART.

    PART is `train`, `validation` and `test`, or COCO's own names with a year, such as `train2017`. COCO's `val2017`
    counts as test, since COCO's test boxes are not public; validation may be missing.

    Args:
        folder: The folder.
        classes: Names in the order that labels shall follow; see `load_coco`.
        skip_missing: Leaves out pictures that are not there, instead of refusing them.

    Raises:
        DataLayoutError: There is no training or no test part, or there are several.
        DataError: A part cannot be read; see `load_coco`.
    """
    folder = Path(folder)
    found = {
        path.stem.removeprefix("instances_"): path for path in sorted((folder / ANNOTATIONS).glob("instances_*.json"))
    }
    train, test = _one(folder, found, "train"), _one(folder, found, "test") or _one(folder, found, "val")
    if train is None or test is None:
        raise DataLayoutError(
            f"expected {folder / ANNOTATIONS}/instances_train.json and instances_test.json (or COCO's train2017 and "
            f"val2017); found {', '.join(found) or 'none'}"
        )
    validation = _one(folder, found, "validation")

    def read(part: str) -> Scenes:
        return load_coco(folder / part, found[part], classes=classes, skip_missing=skip_missing)

    training = read(train)
    nothing = Scenes((), training.classes)
    return Splits(training, read(validation) if validation else nothing, read(test))


def _one(folder: Path, found: dict[str, Path], name: str) -> str | None:
    """The part of a name, with or without a year."""
    parts = [part for part in found if part.rstrip("0123456789") == name]
    if len(parts) > 1:
        raise DataLayoutError(f"{folder / ANNOTATIONS} holds several parts for {name}: {', '.join(parts)}; keep one")
    return parts[0] if parts else None
