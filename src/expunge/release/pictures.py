"""A person's own images in a folder, and what two models answer to them."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from expunge.data import IMAGE_SUFFIXES, FileSample, Pixels
from expunge.errors import ClassMismatchError, DataLayoutError, EmptyClassError, UnreadableImageError
from expunge.vision import VisionModel

BATCH = 32


def list_pictures(root: Path, classes: Sequence[str]) -> tuple[tuple[FileSample, ...], tuple[int, ...] | None]:
    """The images of a folder, sorted by path, and their labels where they lie in sub-folders named like classes.

    Hidden files and files with another suffix are left out.

    Returns:
        The images; and for each the index of its class, or None where they lie in `root` itself.

    Raises:
        DataLayoutError: `root` is no folder, holds images beside and inside sub-folders, or a link leads out of it.
        ClassMismatchError: A sub-folder with images is named like no class.
        EmptyClassError: There is no image.
    """
    try:
        below = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise DataLayoutError(f"Expected a folder of images at {root}; {error.strerror or error}.") from error
    loose = _images(root, root)
    by_class = {folder.name: images for folder in below if (images := _images(root, folder))}
    if loose and by_class:
        raise DataLayoutError(
            f"{root} holds images beside folders with images ({next(iter(by_class))}/): give either a plain folder of "
            "images, or one with a sub-folder for each class."
        )
    if loose:
        return tuple(loose), None
    if not by_class:
        nested = f"; perhaps you mean {below[0]}" if below else ""
        raise EmptyClassError(f"No image in {root} ({', '.join(sorted(IMAGE_SUFFIXES))}){nested}.")
    unknown = [name for name in by_class if name not in classes]
    if unknown:
        raise ClassMismatchError(
            f"{root} has folders that are no class of the models: {', '.join(unknown[:10])}. "
            "Name them like classes, or put all images into one folder without labels."
        )
    pairs = [(image, classes.index(name)) for name, images in by_class.items() for image in images]
    return tuple(image for image, _ in pairs), tuple(label for _, label in pairs)


@torch.no_grad()
def answers(models: Sequence[VisionModel], images: Sequence[FileSample]) -> list[Tensor]:
    """Logits of every model for the same images, on the CPU; the columns are in the order of the first one's classes.

    Raises:
        UnreadableImageError: An image cannot be decoded.
    """
    columns = [[model.classes.index(name) for name in models[0].classes] for model in models]
    parts: list[list[Tensor]] = [[] for _ in models]
    for start in range(0, len(images), BATCH):
        pictures: list[Pixels] = [image.load() for image in images[start : start + BATCH]]
        for model, order, part in zip(models, columns, parts, strict=True):
            part.append(model(model.prepare(pictures)).logits.float().cpu()[:, order])
    return [torch.cat(part) for part in parts]


def require_same_classes(a: VisionModel, b: VisionModel) -> None:
    """Makes sure that two models can be compared; the order of their classes may differ.

    Raises:
        ClassMismatchError: One has a class that the other has not.
    """
    apart = (Counter(a.classes) - Counter(b.classes)) + (Counter(b.classes) - Counter(a.classes))
    if apart:
        raise ClassMismatchError(
            f"{a.name} has {len(a.classes)} classes and {b.name} {len(b.classes)}, and they differ: "
            f"{', '.join(sorted(apart)[:10])}. Only releases with the same classes can be compared."
        )


def readable(images: Sequence[FileSample]) -> tuple[int, ...]:
    """Places of the images that can be decoded."""
    return tuple(place for place, image in enumerate(images) if _decodes(image))


def _images(root: Path, folder: Path) -> list[FileSample]:
    found = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() not in IMAGE_SUFFIXES or path.is_dir():
            continue
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
            raise DataLayoutError(f"{path} is a link out of {root}: copy the file into the folder.")
        found.append(FileSample(root, path.relative_to(root).as_posix()))
    return found


def _decodes(image: FileSample) -> bool:
    try:
        image.load()
    except UnreadableImageError:
        return False
    return True
