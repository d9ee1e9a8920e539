"""COCO data sets: a folder of images, and one JSON file with the boxes of all of them.

What cannot be meant is an error: two entries with one id, a box of an unknown category or image, a box that is not
four numbers, an image that is not there. What published files are known to hold is mended and counted in
`Scenes.notices`: boxes without any area are dropped, boxes that leave their image are cut at its edges, and images
without any box are kept.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from expunge.data._coco import BoxRecord, CategoryRecord, ImageRecord, read_records
from expunge.data.files import FileSample
from expunge.data.scenes import Box, Corners, Notice, Scene, Scenes
from expunge.errors import (
    DataLayoutError,
    DuplicateClassError,
    MissingImagesError,
    UnknownCategoryError,
    UnknownImageError,
)

_SHOWN = 5
SLACK = 0.5
"""Pixels by which a box may stick out without a notice: rounding of coordinates, as in COCO itself."""

NO_AREA = "boxes without area, dropped"
CUT = "boxes that left their image, cut at its edges"
NO_BOX = "images without any box, kept"
MISSING = "images that are not in the folder, left out with their boxes"
NO_CLASS = "classes without any box"


def load_coco(
    images: Path | str,
    annotations: Path | str,
    *,
    classes: Sequence[str] | None = None,
    skip_missing: bool = False,
) -> Scenes:
    """Lists a COCO data set; no image is opened.

    Args:
        images: Folder that the file names are relative to.
        annotations: The JSON file.
        classes: Names in the order that labels shall follow, such as those of a model; categories find their place
            by name, and names without a category may be among them. By default the categories in the order of
            their ids.
        skip_missing: Leaves out images that are not in the folder, instead of refusing them.

    Raises:
        CocoError: The file cannot be read or does not follow the schema.
        MissingImagesError: Images are not in the folder.
        DuplicateIdError: Two images, categories or annotations share an id, or two images a file name.
        DuplicateClassError: Two categories share a name.
        UnknownCategoryError: A box is of a category that the file does not list, or a category is not in `classes`.
        UnknownImageError: A box is in an image that the file does not list.
        BoxError: A box is not four finite numbers.
        DataLayoutError: A file name leads out of the folder.
    """
    images, annotations = Path(images), Path(annotations)
    records = read_records(annotations)
    names = [category.name for category in records.categories]
    label_of = _labels(records.categories, names if classes is None else classes, annotations)
    boxes_of = _by_image(records.boxes, records.images, label_of, annotations)
    there, missing = _on_disk(images, records.images)
    if missing and not (skip_missing and there):
        raise MissingImagesError(
            f"{len(missing)} of {len(records.images)} images of {annotations} are not in {images}: {_first(missing)}; "
            "name the folder that the file names are relative to, or leave them out (skip_missing)"
        )
    noted: defaultdict[str, list[str]] = defaultdict(list)
    noted[MISSING] = missing
    scenes = tuple(_scene(images, image, boxes_of[image.id], label_of, noted) for image in there)
    found = Scenes(scenes, tuple(names if classes is None else classes))
    noted[NO_CLASS] = [found.classes[c] for c in label_of.values() if found.counts()[c] == 0]
    notices = tuple(Notice(what, len(cases), cases[0]) for what, cases in noted.items() if cases)
    return Scenes(scenes, found.classes, notices)


def _labels(categories: Iterable[CategoryRecord], classes: Sequence[str], path: Path) -> dict[int, int]:
    """Index of the class by category id."""
    known: dict[str, int] = {}
    for category in categories:
        if known.setdefault(category.name, category.id) != category.id:
            raise DuplicateClassError(
                f"{path}: the categories {known[category.name]} and {category.id} are both named {category.name!r}"
            )
    place = {name: index for index, name in enumerate(classes)}
    unknown = sorted(name for name in known if name not in place)
    if unknown:
        raise UnknownCategoryError(
            f"{path} has categories that are no class: {_first(unknown)}; expected a subset of {_first(classes)}"
        )
    return {category: place[name] for name, category in known.items()}


def _by_image(
    boxes: Iterable[BoxRecord], images: Iterable[ImageRecord], label_of: dict[int, int], path: Path
) -> dict[int, list[BoxRecord]]:
    by_image: dict[int, list[BoxRecord]] = {image.id: [] for image in images}
    for box in boxes:
        if box.category not in label_of:
            raise UnknownCategoryError(
                f"{path}: annotation {box.id} is of category {box.category}, which the file does not list; "
                f"expected one of {_first(sorted(label_of))}"
            )
        if box.image not in by_image:
            raise UnknownImageError(
                f"{path}: annotation {box.id} is in image {box.image}, which the file does not list: "
                "add the image, or remove its annotations"
            )
        by_image[box.image].append(box)
    return by_image


def _on_disk(folder: Path, images: Iterable[ImageRecord]) -> tuple[list[ImageRecord], list[str]]:
    """The images whose files are there, and the names of those that are not."""
    real = os.path.realpath(folder)
    there, missing = [], []
    for image in images:
        path = folder / image.file
        if not Path(os.path.realpath(path)).is_relative_to(real):
            raise DataLayoutError(
                f"image {image.id} has the file name {image.file!r}, which leads out of {folder}: "
                "copy the file into the folder"
            )
        if os.path.isfile(path):  # Path.is_file raises where a name is too long for the system
            there.append(image)
        else:
            missing.append(image.file)
    return there, missing


def _scene(
    folder: Path,
    image: ImageRecord,
    records: Sequence[BoxRecord],
    label_of: dict[int, int],
    noted: dict[str, list[str]],
) -> Scene:
    boxes: list[Box] = []
    for record in records:
        corners = _cut(record.corners, image)
        example = f"annotation {record.id} in {image.file}"
        if corners[2] <= corners[0] or corners[3] <= corners[1]:
            noted[NO_AREA].append(example)
            continue
        if any(abs(a - b) > SLACK for a, b in zip(corners, record.corners, strict=True)):
            noted[CUT].append(example)
        boxes.append(Box(corners, label_of[record.category], record.crowd))
    if not boxes:
        noted[NO_BOX].append(image.file)
    single = tuple(box for box in boxes if not box.crowd)
    crowds = tuple(box for box in boxes if box.crowd)
    return Scene(FileSample(folder, image.file), image.width, image.height, single, crowds)


def _cut(corners: Corners, image: ImageRecord) -> Corners:
    """The part of a box within its image."""
    left, top, right, bottom = corners
    width, height = float(image.width), float(image.height)
    return (
        min(max(left, 0.0), width),
        min(max(top, 0.0), height),
        min(max(right, 0.0), width),
        min(max(bottom, 0.0), height),
    )


def _first(names: Iterable[object]) -> str:
    shown = [str(name) for name in names]
    more = f", … ({len(shown)} in all)" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more
