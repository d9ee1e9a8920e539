"""Writes scenes as a folder in COCO's format: pictures and one JSON file a split."""

import json
from pathlib import Path

from expunge.errors import OutputError
from expunge.zoo.scenes.compose import SIDE, ComposedScene, scenes
from expunge.zoo.scenes.cutouts import CLASSES


def write_coco(folder: Path, *, seed: int, split: str, n: int) -> Path:
    """Writes `n` scenes as COCO lays its data out: `SPLIT/000000.png` and `annotations/instances_SPLIT.json`.

    Ids of categories and annotations start at 1, as in COCO. Boxes are left, upper, width and height in pixels around
    what can be seen; `area` counts the pixels that can be seen. Each annotation also tells the share of the object that
    can be seen and its photo. The JSON file comes last, so where it stands, all pictures do.

    Returns:
        The JSON file.

    Raises:
        OutputError: The folder has this split already.
        DataError: There is no such split, or `n` is negative.
        MissingExtraError: The package with the photos is not installed.
        CorruptWeightsError: A photo is missing from it.
    """
    file = folder / "annotations" / f"instances_{split}.json"
    if file.exists():
        raise OutputError(f"{file} exists already. Name another folder, or remove it first.")
    made = scenes(seed, split, n)
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for directory in (folder / split, file.parent):
        directory.mkdir(parents=True, exist_ok=True)
    for index, scene in enumerate(made):
        name = f"{index:06d}.png"
        scene.image.save(folder / split / name)
        images.append({"id": index, "file_name": name, "width": SIDE, "height": SIDE})
        annotations.extend(_annotations(scene, index, len(annotations) + 1))
    content = {
        "info": {"description": f"composed scenes, seed {seed}, split {split}", "version": "1"},
        "categories": [{"id": i, "name": name} for i, name in enumerate(CLASSES, 1)],
        "images": images,
        "annotations": annotations,
    }
    file.write_text(json.dumps(content) + "\n", encoding="utf-8")
    return file


def _annotations(scene: ComposedScene, image: int, first: int) -> list[dict[str, object]]:
    """The objects of one scene, with ids from `first` on."""
    objects = zip(scene.boxes, scene.labels, scene.areas, scene.visible, scene.files, strict=True)
    return [
        {
            "id": first + i,
            "image_id": image,
            "category_id": label + 1,
            "bbox": [left, upper, right - left, lower - upper],
            "area": area,
            "iscrowd": 0,
            "visible": round(visible, 4),
            "cutout": file,
        }
        for i, ((left, upper, right, lower), label, area, visible, file) in enumerate(objects)
    ]
