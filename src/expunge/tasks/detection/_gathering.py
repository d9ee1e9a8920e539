"""The scenes of one plan. A detector's requests bring no pictures: theirs are those scenes that hold their classes."""

import hashlib
import json
from collections.abc import Collection, Iterator

from expunge.data import Scenes, Splits, sample_digest
from expunge.tasks.request import Available, Gathered


def gather_scenes(given: Splits[Scenes], targets: Collection[int], earlier: Collection[int]) -> Gathered[Scenes]:
    """Puts the scenes of a plan together.

    Scenes are shown whole, so a picture with objects of earlier requests may stay, without their boxes.
    """
    train, validation = given.train.without(earlier), given.validation.without(earlier)
    return Gathered(
        Splits(train, validation, given.test, given.skipped),
        Available(forget=train, replay=train, validation=validation),
        {
            "forget": train.only(targets),
            "retain": train.without(targets),
            "validation": validation,
            "test": given.test,
        },
    )


def scene_digests(scenes: Scenes) -> Iterator[str]:
    """SHA-256 of each scene: its picture, and its boxes by the names of their classes."""
    for scene in scenes.scenes:
        every = (*scene.boxes, *scene.crowds)
        boxes = sorted([scenes.classes[box.label], list(box.corners), box.crowd] for box in every)
        yield hashlib.sha256(json.dumps([sample_digest(scene.sample), boxes]).encode()).hexdigest()
