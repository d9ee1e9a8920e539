"""What measures of detectors answer to, and what they are given."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol, runtime_checkable

import torch

from expunge.data import Scenes
from expunge.errors import EvidenceError
from expunge.evidence.protocol import MeasureOf
from expunge.evidence.rows import HeadRows
from expunge.evidence.strangers.beside import Beside
from expunge.evidence.views import Observed, View
from expunge.vision.detection import DetectionModel
from expunge.vision.scene_states import Objects, SceneCache, SceneView, look


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
        return View(*(Observed(part.features, part.logits, part.labels) for part in (self.attack, self.test.objects)))


@dataclass(frozen=True, eq=False, kw_only=True)
class SceneCase:
    """One detector under test, and everything a measure may look at; the twin of `expunge.evidence.Case`.

    Attributes:
        view: What it makes of the scenes.
        original: The original detector's view, from before the first request.
        oracle: The view of a detector that never saw boxes of the forgotten classes; None where there is none.
        truth: The test scenes behind `view.test`.
        forget: Classes of the current request.
        earlier: Classes of earlier requests.
        retain: Classes that stay.
        missing: Those of `retain` of which no training scene was available to the method.
        seed: Seeds every random choice of the measure.
        rows: The classifier whose rows an attacker puts back: the original's; of an oracle, which no edit has made, its
            own. None where nobody kept it.
        beside: How the forgotten classes' objects stand beside strangers, where there are any.
    """

    view: DetectionView
    original: DetectionView
    oracle: DetectionView | None
    truth: Scenes
    forget: tuple[int, ...]
    earlier: tuple[int, ...]
    retain: tuple[int, ...]
    missing: tuple[int, ...] = ()
    seed: int = 0
    rows: HeadRows | None = None
    beside: Beside | None = None

    @property
    def forgotten(self) -> tuple[int, ...]:
        """Classes of this and all earlier requests, sorted."""
        return tuple(sorted({*self.forget, *self.earlier}))

    @property
    def features(self) -> View:
        """The features of the detector under test: of attack objects and of test objects."""
        return self.view.features


@runtime_checkable
class DetectionMeasure(MeasureOf[SceneCase], Protocol):
    """A measure of detectors: a frozen dataclass whose fields are its settings."""


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
