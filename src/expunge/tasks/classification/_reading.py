"""Image folders for classifiers: `train/<class>/*` and `test/<class>/*`."""

from pathlib import Path

from expunge.data import Images, Splits, cannot_read, is_coco, load_folder, verify
from expunge.errors import DataLayoutError


def read_images(
    folder: Path, *, seed: int = 0, validation: float = 0.2, skip_unreadable: bool = False
) -> Splits[Images]:
    """Reads an image folder; every image is decoded once, so that a damaged one is reported before any work starts.

    A class with test images may have no folder in `train`; `expunge.data.align` refuses it where nothing stands in for
    its training images.

    Args:
        folder: The folder.
        seed: Draws validation images.
        validation: Share of each class's training images that becomes validation.
        skip_unreadable: Leaves out images that cannot be decoded, instead of refusing them.

    Raises:
        DataError: The folder is laid out wrongly, or holds images that cannot be read.
    """
    if is_coco(folder):
        raise DataLayoutError(
            f"{folder} is laid out as COCO lays out boxes, for object detectors; a classifier needs "
            "train/<class>/* and test/<class>/*"
        )
    splits = load_folder(folder, validation=validation, seed=seed, skip_unreadable=skip_unreadable, untrained=True)
    if not skip_unreadable:
        bad = [name for part in (splits.train, splits.validation, splits.test) for name in verify(part)]
        if bad:
            raise cannot_read(bad)
    return splits
