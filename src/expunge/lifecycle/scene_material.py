"""The scenes of one plan. A detector's requests bring no pictures: theirs are those scenes that hold their classes."""

import hashlib
import json
from collections.abc import Sequence

from expunge.data import Sample, Scene, Scenes, Splits
from expunge.ledger import DataFacts
from expunge.lifecycle.material import FORGET, Material, sample_digest
from expunge.runs import read
from expunge.tasks.detection.scenes import align_scenes
from expunge.tasks.request import Available
from expunge.workspace import Workspace
from expunge.workspace.submission import digest_of


def gather_scenes(
    workspace: Workspace, requests: Sequence[str], gone: Sequence[str], classes: Sequence[str], data: str, seed: int
) -> Material[Splits[Scenes], Available[Scenes]]:
    """Puts the scenes of a plan together.

    Scenes are shown whole, so a picture with objects of earlier requests may stay, without their boxes.

    Args:
        workspace: Where the requests are.
        requests: IDs of the plan.
        gone: Classes of this plan and of earlier requests.
        classes: The model's classes.
        data: What `load_scenes` takes.
        seed: Seed of composed scenes.

    Raises:
        DataError: The data cannot be read, or do not fit the model.
        EmptyClassError: No training scene holds a class of the plan.
    """
    given = align_scenes(read(data, task="detection", seed=seed), classes)
    named = {name for one in requests for name in workspace.request(one).targets}
    targets = {classes.index(name) for name in named}
    earlier = {classes.index(name) for name in gone} - targets
    train, validation, test = given.train.without(earlier), given.validation.without(earlier), given.test
    known = SceneDigests()
    facts = (
        known.facts(FORGET, train.only(targets)),
        known.facts("retain", train.without(targets)),
        known.facts("validation", validation),
        known.facts("test", test),
    )
    counted = zip(train.counts(), validation.counts(), test.counts(), strict=True)
    return Material(
        splits=Splits(train, validation, test),
        available=Available(forget=train, replay=train, validation=validation),
        missing=tuple(
            name
            for name, (learnt, held_out, tested) in zip(classes, counted, strict=True)
            if name not in gone and tested and not (learnt or held_out)
        ),
        facts=facts,
    )


class SceneDigests:
    """Digests of scenes, each picture read once."""

    def __init__(self) -> None:
        self._pictures: dict[Sample, str] = {}

    def facts(self, role: str, scenes: Scenes) -> DataFacts:
        """How many scenes there are, and one digest over their pictures and boxes."""
        names = (self._of(scene, scenes.classes) for scene in scenes.scenes)
        return DataFacts(role=role, count=len(scenes), sha256=digest_of(names))

    def _of(self, scene: Scene, classes: Sequence[str]) -> str:
        if scene.sample not in self._pictures:
            self._pictures[scene.sample] = sample_digest(scene.sample)
        boxes = sorted([classes[box.label], list(box.corners), box.crowd] for box in (*scene.boxes, *scene.crowds))
        return hashlib.sha256(json.dumps([self._pictures[scene.sample], boxes]).encode()).hexdigest()
