"""Models and data by name: a directory, a hub id or `zoo:NAME`, whatever kind stands behind it."""

from collections.abc import Sequence
from pathlib import Path

from expunge.data import Scenes, Splits, load_coco_splits, load_folder, verify
from expunge.data.coco_folder import is_coco
from expunge.errors import DataLayoutError, ExpungeError, HeadError, UnreadableImageError
from expunge.tasks.detection.scenes import align_scenes, readable
from expunge.vision import VisionModel, architecture_of, choose_device, load_weights
from expunge.vision import load_model as load_any_classifier
from expunge.vision.detection import DetectionModel, holds_detector, load_detector, read_origin, read_own_weights
from expunge.zoo import PREFIX, entry, images, is_detector, scene_data, scene_entry

_SHOWN = 10


def is_detection(source: str | Path) -> bool:
    """Whether what `load_any_model` takes is an object detector.

    Raises:
        ModelNotFoundError: Nothing answers to `source`.
        UnsafeWeightsError: A model of the Hub has no safetensors.
        CorruptWeightsError: A directory of ours is damaged.
    """
    text = str(source)
    return is_detector(text) if text.startswith(PREFIX) else holds_detector(source)


def load_any_model(source: str | Path, *, device: str = "auto") -> VisionModel | DetectionModel:
    """Loads a directory, a hub id or `zoo:NAME`: an object detector where its configuration says so, else a classifier.

    Raises:
        ModelError: The model cannot be found, is unsafe to read, damaged or of no known structure.
    """
    text, target = str(source), choose_device(device)
    if text.startswith(PREFIX):
        return scene_entry(text).model().to(target) if is_detector(text) else entry(text).model().to(target)
    if not holds_detector(source):
        architecture = architecture_of(source)
        if architecture is not None and architecture.startswith(PREFIX):
            return load_weights(entry(architecture).model().module, source).to(target)
        return load_any_classifier(source).to(target)
    origin = read_origin(Path(source)) if Path(source).is_dir() else None
    if origin is None:
        return load_detector(source).to(target)
    return read_own_weights(scene_entry(origin.architecture).model(), Path(source)).to(target)


def load_model(source: str | Path, *, device: str = "auto") -> VisionModel:
    """`load_any_model` for what works on classifiers alone.

    Raises:
        HeadError: It is an object detector.
        ModelError: As `load_any_model`.
    """
    if is_detection(source):
        raise HeadError(f"{source} is an object detector; this works on image classifiers only")
    model = load_any_model(source, device=device)
    assert isinstance(model, VisionModel)
    return model


def load_data(source: str | Path, *, seed: int = 0, validation: float = 0.2, skip_unreadable: bool = False) -> Splits:
    """Loads an image folder (`train/<class>/*`, `test/<class>/*`) or the data of `zoo:NAME`, for classifiers.

    Every image is decoded once, so that a damaged one is reported before any work starts. A class with test images may
    have no folder in `train`; `expunge.data.align` refuses it where nothing stands in for its training images.

    Raises:
        DataError: The folder is laid out wrongly, or holds images that cannot be read.
        ModelNotFoundError: `zoo:NAME` is no classifier's.
    """
    text = str(source)
    if text.startswith(PREFIX):
        return images(text)(seed)
    if is_coco(Path(source)):
        raise DataLayoutError(
            f"{source} is laid out as COCO lays out boxes, for object detectors; a classifier needs "
            "train/<class>/* and test/<class>/*"
        )
    splits = load_folder(
        Path(source), validation=validation, seed=seed, skip_unreadable=skip_unreadable, untrained=True
    )
    if not skip_unreadable:
        bad = [name for part in (splits.train, splits.validation, splits.test) for name in verify(part)]
        if bad:
            raise _unreadable(bad)
    return splits


def load_scenes(
    source: str | Path, *, classes: Sequence[str] | None = None, seed: int = 0, skip_unreadable: bool = False
) -> Splits[Scenes]:
    """Loads a folder in COCO's layout (`annotations/instances_train.json`, …) or the scenes of `zoo:NAME`.

    Every picture is decoded once, so that a damaged one is reported before any work starts.

    Args:
        source: The folder, or the name.
        classes: Names in the order that labels shall follow, such as those of a detector; some may have no box.
        seed: Seed of composed scenes.
        skip_unreadable: Leaves out pictures that are not there or cannot be decoded, instead of refusing them.

    Raises:
        DataError: The folder is laid out wrongly, or a part of it cannot be used.
        ModelNotFoundError: `zoo:NAME` is no detector's.
    """
    text = str(source)
    if text.startswith(PREFIX):
        made = scene_data(text)(seed)
        return made if classes is None else align_scenes(made, classes)
    if Path(source).is_dir() and not is_coco(Path(source)):
        raise DataLayoutError(
            f"{source} holds no boxes; an object detector needs COCO's layout: annotations/instances_train.json and "
            "instances_test.json, and the pictures in train/ and test/"
        )
    splits = load_coco_splits(source, classes=classes, skip_missing=skip_unreadable)
    found, bad = readable(splits)
    if bad and not skip_unreadable:
        raise _unreadable(bad)
    return found


def _unreadable(bad: Sequence[str]) -> ExpungeError:
    return UnreadableImageError(
        f"{len(bad)} images cannot be read: {', '.join(bad[:_SHOWN])}{', …' if len(bad) > _SHOWN else ''}. "
        "Replace them, or leave them out with --skip-unreadable (skip_unreadable=True)"
    )
