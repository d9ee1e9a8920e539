"""Scenes for detectors: read, brought into a detector's class order, checked before any work starts."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from expunge.data import Notice, Scene, Scenes, Splits, cannot_read, is_coco, load_coco_splits
from expunge.errors import ClassMismatchError, DataLayoutError, ModelError, UnreadableImageError
from expunge.vision.detection import DetectionModel

UNREADABLE = "pictures that cannot be decoded, left out with their boxes"


def align_scenes(data: Splits[Scenes], classes: Sequence[str], *, partial: bool = True) -> Splits[Scenes]:
    """Labels the boxes anew, so that label i is the detector's class i.

    Args:
        data: Scenes whose class names are among the detector's, in any order.
        classes: The detector's class names, in the order of its logits.
        partial: Whether the data may lack some of them, which have no boxes then.

    Raises:
        ClassMismatchError: The data have classes that the detector does not know, or, unless `partial`, lack some.
    """
    wanted = tuple(classes)
    unknown = [name for name in data.classes if name not in wanted]
    if unknown:
        shown = ", ".join(repr(name) for name in unknown[:5]) + (", …" if len(unknown) > 5 else "")
        raise ClassMismatchError(
            f"the detector does not know {len(unknown)} of the data's {len(data.classes)} classes ({shown}); "
            "name the data's classes exactly as the detector does"
        )
    lacking = [name for name in wanted if name not in data.classes]
    if lacking and not partial:
        shown = ", ".join(repr(name) for name in lacking[:5]) + (", …" if len(lacking) > 5 else "")
        raise ClassMismatchError(
            f"the data lack {len(lacking)} of the detector's {len(wanted)} classes ({shown}); name the data's classes "
            "exactly as the detector does, or allow missing ones with --partial (partial=True)"
        )
    if data.classes == wanted:
        return data
    place = [wanted.index(name) for name in data.classes]

    def moved(scene: Scene) -> Scene:
        boxes, crowds = (
            tuple(replace(box, label=place[box.label]) for box in group) for group in (scene.boxes, scene.crowds)
        )
        return replace(scene, boxes=boxes, crowds=crowds)

    def part(scenes: Scenes) -> Scenes:
        return Scenes(tuple(moved(scene) for scene in scenes.scenes), wanted, scenes.notices)

    return Splits(part(data.train), part(data.validation), part(data.test))


def read_scenes(folder: Path, *, skip_unreadable: bool = False) -> Splits[Scenes]:
    """Reads a folder in COCO's layout (`annotations/instances_train.json`, …); every picture is decoded once.

    Args:
        folder: The folder.
        skip_unreadable: Leaves out pictures that are not there or cannot be decoded, instead of refusing them.

    Raises:
        DataError: The folder is laid out wrongly, or a part of it cannot be used.
    """
    if folder.is_dir() and not is_coco(folder):
        raise DataLayoutError(
            f"{folder} holds no boxes; an object detector needs COCO's layout: annotations/instances_train.json and "
            "instances_test.json, and the pictures in train/ and test/"
        )
    found, bad = readable(load_coco_splits(folder, skip_missing=skip_unreadable))
    if bad and not skip_unreadable:
        raise cannot_read(bad)
    return found


def readable(data: Splits[Scenes]) -> tuple[Splits[Scenes], tuple[str, ...]]:
    """The scenes whose pictures can be decoded, and the names of the others.

    Raises:
        SceneError: A picture is of another size than its boxes were drawn on.
    """
    bad: list[str] = []

    def part(scenes: Scenes) -> Scenes:
        broken = [name for name in (_broken(scene) for scene in scenes.scenes) if name is not None]
        if not broken:
            return scenes
        bad.extend(broken)
        kept = tuple(scene for scene in scenes.scenes if scene.sample.name not in broken)
        return replace(scenes, scenes=kept, notices=(*scenes.notices, Notice(UNREADABLE, len(broken), broken[0])))

    return Splits(part(data.train), part(data.validation), part(data.test)), tuple(bad)


def _broken(scene: Scene) -> str | None:
    try:
        scene.load()
    except UnreadableImageError:
        return scene.sample.name
    return None


def check_sizes(model: DetectionModel, data: Splits[Scenes]) -> None:
    """Makes sure that pictures of all shapes come to one size, so that what the backbone makes of them can be kept.

    Raises:
        ModelError: They do not.
    """
    shapes = {(s.width, s.height): s for part in (data.train, data.validation, data.test) for s in part.scenes}
    for scene in shapes.values():
        size = tuple(model.prepare([scene.load()]).shape[-2:])
        if size != tuple(model.preprocess.size):
            expected = " x ".join(map(str, model.preprocess.size))
            raise ModelError(
                f"the preprocessing of {model.name} brings {scene.sample.name} to {size[0]} x {size[1]} pixels and "
                f"square pictures to {expected}; forgetting needs one size: set size to a height and a width in "
                "preprocessor_config.json (expunge.vision.detection.fixed_preprocess does it)"
            )
