"""A tiny COCO folder whose boxes are where a tiny random detector puts them, so that it has something to forget."""

import json
from pathlib import Path
from typing import Any

import torch

from expunge.vision.detection import DetectionModel, to_corners
from tests.vision.detection.detectors import CLASSES, picture

WIDTH, HEIGHT = 50, 40
PARTS = {"train": 5, "test": 4}
EMPTY = 4  # of the training pictures, the one without any box


def write_coco_folder(root: Path, model: DetectionModel) -> Path:
    """Pictures of random pixels; in each, one object of every class, where the detector is surest of it."""
    (root / "annotations").mkdir(parents=True)
    for part, count in PARTS.items():
        (root / part).mkdir()
        images, boxes = [], []
        for number in range(count):
            made = picture(WIDTH, HEIGHT, seed=100 * len(part) + number)
            made.save(root / part / f"{number}.png")
            images.append({"id": number, "file_name": f"{number}.png", "width": WIDTH, "height": HEIGHT})
            if (part, number) == ("train", EMPTY):
                continue
            for label, box in enumerate(surest(model, made)):
                boxes.append(annotation(len(boxes) + 1, number, label, box))
        write_part(root, part, images, boxes)
    return root


def surest(model: DetectionModel, image: Any) -> list[list[float]]:
    """For every class, the box that the detector is surest of: left, top, width, height in pixels."""
    with torch.no_grad():
        output = model(model.prepare([image]))
    corners = to_corners(output.boxes[0]).clamp(0, 1) * torch.tensor([WIDTH, HEIGHT, WIDTH, HEIGHT])
    best = output.class_logits[0].argmax(0)
    return [[left, top, right - left, bottom - top] for left, top, right, bottom in corners[best].tolist()]


def annotation(number: int, image: int, label: int, box: list[float]) -> dict[str, Any]:
    area = box[2] * box[3]
    return {"id": number, "image_id": image, "category_id": label + 1, "bbox": box, "area": area, "iscrowd": 0}


def write_part(root: Path, part: str, images: list[Any], boxes: list[Any]) -> None:
    categories = [{"id": i, "name": name} for i, name in enumerate(CLASSES, 1)]
    content = {"images": images, "annotations": boxes, "categories": categories}
    (root / "annotations" / f"instances_{part}.json").write_text(json.dumps(content))


def read_part(root: Path, part: str) -> dict[str, Any]:
    return json.loads((root / "annotations" / f"instances_{part}.json").read_text())
