"""Scenes brought into a detector's class order, and checked before any work starts."""

from collections.abc import Sequence
from dataclasses import replace

from expunge.data import Notice, Scene, Scenes, Splits
from expunge.errors import ClassMismatchError, EmptyClassError, ModelError, UnreadableImageError
from expunge.tasks.plan import Plan
from expunge.tasks.request import Available
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


def check_boxes(plan: Plan, available: Available[Scenes], test: Scenes) -> None:
    """Refuses a plan whose requests have nothing to learn or to measure from.

    Raises:
        EmptyClassError: A class to forget has no box in the training scenes that may be used, or in the test scenes; or
            no class that stays has a box in the test scenes.
    """
    learned, counted = available.forget.counts(), test.counts()
    lacking = ", without those that hold a missing class," if plan.missing else ""
    for label in (label for request in plan.requests for label in request):
        if not learned[label]:
            raise EmptyClassError(
                f"class {test.classes[label]!r} is to be forgotten, but has no box in the training scenes{lacking} "
                "(groups marked as crowd do not count); add pictures of it, or leave it out"
            )
        if not counted[label]:
            raise EmptyClassError(
                f"class {test.classes[label]!r} is to be forgotten, but has no box in the test scenes, so nobody could "
                "tell; add pictures of it, or leave it out"
            )
    gone = {label for request in plan.requests for label in request}
    if not any(n for label, n in enumerate(counted) if label not in gone):
        raise EmptyClassError("no class that stays has a box in the test scenes; add pictures of what shall stay")
    if plan.missing and not any(counted[label] for label in plan.missing):
        raise EmptyClassError("no missing class has a box in the test scenes; add pictures of one, or name none")


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
