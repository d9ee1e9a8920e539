"""Data sets in folders: `root/train/<class>/*` and `root/test/<class>/*`."""

from pathlib import Path, PurePosixPath

from expunge.data._layout import class_folders, class_name, image_files
from expunge.data.files import IMAGE_SUFFIXES, FileSample
from expunge.data.images import Images
from expunge.data.splits import Splits, carve, check_carved
from expunge.data.verify import unreadable
from expunge.errors import DataLayoutError, EmptyClassError

# Real path by file name, by class folder below the root.
_Files = dict[str, dict[str, str]]


def load_folder(
    root: Path | str,
    *,
    validation: float = 0.2,
    seed: int = 0,
    skip_unreadable: bool = False,
    untrained: bool = False,
) -> Splits:
    """Lists a data set in folders; validation images are carved from `train`, `test` stays as it is.

    Classes are the sub-folders' names, sorted. The images are the files directly in a class folder that
    have an image suffix; hidden files and nested folders are ignored.

    Args:
        root: Folder that holds `train` and `test`, with the same classes in both.
        validation: Share of each class's training images that becomes validation (see `carve`).
        seed: Draws the validation images.
        skip_unreadable: Whether to decode every file now and leave out those that cannot be read; their
            paths are in `Splits.skipped`. Otherwise no file is opened here.
        untrained: Whether `train` may lack classes of `test`; they have no training image then.

    Raises:
        DataLayoutError: The layout is another one, or a link leads out of `root` or from test to train.
        DuplicateClassError: Two class names differ by case or Unicode normalisation only.
        EmptyClassError: A class folder holds no image, or none that can be read.
        DataError: `validation` is not strictly between 0 and 1.
    """
    check_carved(validation)
    root = Path(root)
    folders = class_folders(root, untrained=untrained)
    train_files = _list_files(root, "train", folders)
    test_files = _list_files(root, "test", folders)
    _check_apart(root, train_files, test_files)
    train, skipped_train = _images(root, train_files, skip_unreadable)
    test, skipped_test = _images(root, test_files, skip_unreadable)
    return Splits(*carve(train, validation, seed), test, skipped_train + skipped_test)


def _list_files(root: Path, part: str, folders: tuple[str, ...]) -> _Files:
    files = {}
    for folder in (f"{part}/{name}" for name in folders):
        there = (root / folder).is_dir()
        files[folder] = image_files(root, folder) if there else {}
        if there and not files[folder]:
            raise EmptyClassError(
                f"no image in {root / folder}: put some there ({', '.join(sorted(IMAGE_SUFFIXES))}), or "
                "remove the class from train and test; nested folders, hidden and other files are not read"
            )
    return files


def _check_apart(root: Path, train: _Files, test: _Files) -> None:
    """Links could smuggle training images into test, or one file into both."""
    trained = {real for names in train.values() for real in names.values()}
    for folder, names in test.items():
        for name, real in names.items():
            if real in trained:
                raise DataLayoutError(
                    f"{root / folder / name} is a file of train, too ({real}): keep test images out of train"
                )


def _images(root: Path, files: _Files, skip_unreadable: bool) -> tuple[Images, tuple[str, ...]]:
    """The images of one part, and the paths of those left out."""
    samples = [FileSample(root, f"{folder}/{name}") for folder, names in files.items() for name in names]
    labels = [label for label, names in enumerate(files.values()) for _ in names]
    classes = tuple(class_name(PurePosixPath(folder).name) for folder in files)
    images = Images(tuple(samples), tuple(labels), classes)
    if not skip_unreadable:
        return images, ()
    bad = unreadable(images)
    images = images.select(sorted(set(range(len(images))) - set(bad)))
    for folder, count in zip(files, images.counts(), strict=True):
        if files[folder] and count == 0:
            raise EmptyClassError(f"no image in {root / folder} can be read: replace its {len(files[folder])} files")
    return images, tuple(str(samples[position].path) for position in bad)
