"""Views of a detector on scenes: the queries at objects, and all answers to the test scenes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch

from expunge.data import Scenes
from expunge.errors import EvidenceError
from expunge.tasks.views import Observed, View
from expunge.vision.detection import DetectionModel, Objects, SceneCache, SceneView, look


@dataclass(frozen=True, eq=False)
class DetectionView:
    """One detector seen through the two sets of scenes that evidence works with.

    Attributes:
        attack: The queries at objects that an attacker may learn from, those of forgotten classes included.
        test: What the detector makes of scenes that nobody has learnt from.
    """

    attack: Objects
    test: SceneView

    @property
    def features(self) -> View:
        """The queries at the objects of both sets, as measures of features see images: one row an object.

        Objects are located by their boxes alone. Where a scene holds more of them than the detector has queries, some
        have none and are not there.
        """
        return View(observed(self.attack), observed(self.test.objects))


def view_scenes(model: DetectionModel | SceneCache, attack: Scenes, test: Scenes) -> DetectionView:
    """Looks at both sets of scenes.

    Args:
        model: The detector, or a cache of what passes a cut below which nothing has been edited. All pictures must come
            to one size in its preprocessing, whichever is given.
        attack: Scenes an attacker may learn from, at least one; how many is the caller's choice.
        test: Scenes that nobody has learnt from, at least one.

    Raises:
        MissingExtraError: scipy is not installed.
    """
    cache = SceneCache(model, batch_size=16, limit_bytes=0) if isinstance(model, DetectionModel) else model
    return DetectionView(objects_in(cache, [attack]), look(cache, test, features=True))


def observed(objects: Objects) -> Observed:
    """Queries at objects, as measures of features see images."""
    return Observed(objects.features, objects.logits, objects.labels)


def objects_in(cache: SceneCache, parts: Sequence[Scenes]) -> Objects:
    """The queries at the objects of several sets of scenes, set after set; sets without a scene are passed over.

    Raises:
        EvidenceError: There is no scene in any.
        MissingExtraError: scipy is not installed.
    """
    there = [scenes for scenes in parts if len(scenes)]
    if not there:
        raise EvidenceError("Expected scenes to look for objects in, got none. Add training scenes.")
    seen = [look(cache, scenes).objects for scenes in there]
    before = accumulate((len(scenes) for scenes in there[:-1]), initial=0)
    return Objects(
        *(torch.cat([getattr(one, field) for one in seen]) for field in ("features", "logits", "labels")),
        scenes=torch.cat([one.scenes + offset for one, offset in zip(seen, before, strict=True)]),
    )
