"""The records of a COCO annotation file, checked one by one (cocodataset.org/#format-data)."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expunge.data.scenes import Corners
from expunge.errors import BoxError, CocoError, DuplicateIdError

_LONGEST = 1_000_000
"""Pixels that a side of an image may have; more than any format or memory holds."""


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """An entry of `images`."""

    id: int
    file: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class CategoryRecord:
    """An entry of `categories`."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class BoxRecord:
    """An entry of `annotations`, its box as left, top, right and bottom."""

    id: int
    image: int
    category: int
    corners: Corners
    crowd: bool


@dataclass(frozen=True, slots=True)
class Records:
    """A whole annotation file."""

    images: tuple[ImageRecord, ...]
    categories: tuple[CategoryRecord, ...]
    boxes: tuple[BoxRecord, ...]


def read_records(path: Path) -> Records:
    """Reads an annotation file. Images and annotations keep its order, categories come in the order of their ids.

    Raises:
        CocoError: It cannot be read, or an entry does not follow the schema.
        DuplicateIdError: Two images, categories or annotations share an id.
        BoxError: A box is not four finite numbers.
    """
    values = _read_json(path)
    images = tuple(_image(entry, path) for entry in _entries(values, "images", path))
    categories = tuple(_category(entry, path) for entry in _entries(values, "categories", path))
    boxes = tuple(_box(entry, path) for entry in _entries(values, "annotations", path))
    for kind, records in (("images", images), ("categories", categories), ("annotations", boxes)):
        twice = _first_twice(record.id for record in records)
        if twice is not None:
            raise DuplicateIdError(f"{path}: two {kind} have the id {twice}: give each its own")
    file = _first_twice(image.file for image in images)
    if file is not None:
        raise DuplicateIdError(f"{path}: two images have the file name {file!r}: list it once, with all of its boxes")
    return Records(images, tuple(sorted(categories, key=lambda category: category.id)), boxes)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_bytes())
    except OSError as error:
        raise CocoError(f"cannot read the annotations {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CocoError(f"{path} is not JSON: {error}; expected a COCO annotation file") from error
    if not isinstance(values, dict):
        raise CocoError(
            f"{path} holds a {type(values).__name__}: expected an object with images, annotations, categories"
        )
    return values


def _entries(values: dict[str, Any], kind: str, path: Path) -> Sequence[dict[str, Any]]:
    entries = values.get(kind)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        found = ", ".join(sorted(values)) or "nothing"
        raise CocoError(f"{path}: expected a list of objects under {kind!r}; the file holds {found}")
    if not entries and kind != "annotations":
        raise CocoError(f"{path}: the list of {kind} is empty: expected at least one")
    return entries


def _image(entry: dict[str, Any], path: Path) -> ImageRecord:
    what = f"{path}: image {entry.get('id')!r}"
    file = entry.get("file_name")
    if not isinstance(file, str) or not file or "\0" in file:
        raise CocoError(f"{what} has the file name {file!r:.80}: expected a path below the image folder")
    width, height = _integer(entry, "width", what), _integer(entry, "height", what)
    if not (1 <= width <= _LONGEST and 1 <= height <= _LONGEST):
        raise CocoError(f"{what} is {width} x {height} pixels: expected 1 to {_LONGEST:,} of each")
    return ImageRecord(_integer(entry, "id", what), file, width, height)


def _category(entry: dict[str, Any], path: Path) -> CategoryRecord:
    what = f"{path}: category {entry.get('id')!r}"
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        raise CocoError(f"{what} has the name {name!r}: expected a text")
    return CategoryRecord(_integer(entry, "id", what), name)


def _box(entry: dict[str, Any], path: Path) -> BoxRecord:
    what = f"{path}: annotation {entry.get('id')!r}"
    box, crowd = entry.get("bbox"), entry.get("iscrowd", 0)
    if not isinstance(box, list) or len(box) != 4 or not all(_is_finite(number) for number in box):
        raise BoxError(f"{what} has the box {box!r:.80}: expected four finite numbers, left, top, width and height")
    if crowd not in (0, 1):
        raise CocoError(f"{what} has iscrowd {crowd!r}: expected 0 or 1")
    left, top, width, height = (float(number) for number in box)
    return BoxRecord(
        _integer(entry, "id", what),
        _integer(entry, "image_id", what),
        _integer(entry, "category_id", what),
        (left, top, left + width, top + height),
        bool(crowd),
    )


def _integer(entry: dict[str, Any], key: str, what: str) -> int:
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise CocoError(f"{what} has {key} {value!r}: expected an integer")
    return value


def _is_finite(number: object) -> bool:
    if isinstance(number, bool) or not isinstance(number, int | float):
        return False
    try:
        return math.isfinite(number)
    except OverflowError:  # an integer that no float can hold
        return False


def _first_twice(values: Iterable[Any]) -> Any:
    return next((value for value, count in Counter(values).items() if count > 1), None)
