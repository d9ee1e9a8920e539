"""A tiny data set in COCO's layout, for the tiny detectors of `tests.vision.detection.detectors`."""

import json
from pathlib import Path

from tests.vision.detection.detectors import CLASSES, SIDE, picture

COUNTS = {"train": 6, "validation": 3, "test": 6}
HOLDS = ((0,), (1,), (2,), (0, 1), (1, 2), (0, 2))
"""Classes in one scene after the other: of six scenes three hold each class."""


def write_scenes(root: Path, *, classes: tuple[str, ...] = CLASSES) -> Path:
    """`root/annotations/instances_PART.json` and `root/PART/*.png`: one or two objects a scene."""
    (root / "annotations").mkdir(parents=True)
    for place, (part, count) in enumerate(COUNTS.items()):
        (root / part).mkdir()
        boxes = []
        for index in range(count):
            picture(SIDE, SIDE, seed=100 * place + index).save(root / part / f"{index}.png")
            for column, label in enumerate(HOLDS[index]):
                box = [4 + 30 * column, 6 + 3 * index, 24, 30]
                boxes.append({"image_id": index, "category_id": label + 1, "bbox": box, "area": 720, "iscrowd": 0})
        images = [{"id": i, "file_name": f"{i}.png", "width": SIDE, "height": SIDE} for i in range(count)]
        values = {
            "images": images,
            "annotations": [{"id": number, **box} for number, box in enumerate(boxes, start=1)],
            "categories": [{"id": i, "name": name} for i, name in enumerate(classes, start=1)],
        }
        (root / "annotations" / f"instances_{part}.json").write_text(json.dumps(values))
    return root
