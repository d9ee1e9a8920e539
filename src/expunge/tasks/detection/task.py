"""The task of object detectors: boxes with classes in scenes."""

from collections.abc import Callable, Collection, Mapping
from typing import ClassVar

from expunge.data import Scenes, few_shot_scenes, replay_scenes
from expunge.memory import Memory, Prototypes
from expunge.tasks.detection.context import SceneContext
from expunge.tasks.detection.defaults import DEFAULTS, PRESETS
from expunge.tasks.detection.prototypes import prototypes_of
from expunge.tasks.protocol import Task, silent
from expunge.tasks.request import Available, Progress
from expunge.vision.detection import DetectionModel
from expunge.vision.scene_states import SceneCache


class Detection(Task[DetectionModel, Scenes]):
    """Scenes with boxes; rates are AP50."""

    name: ClassVar[str] = DetectionModel.task
    noun: ClassVar[str] = "object detector"
    unit: ClassVar[str] = "AP50"
    defaults: ClassVar[Mapping[str, Mapping[str, object]]] = DEFAULTS
    presets: ClassVar[Mapping[str, Mapping[str, Mapping[str, object]]]] = PRESETS

    def few_shot(self, examples: Scenes, shots: int, seed: int) -> Scenes:
        """`shots` scenes of every class, with all of their boxes."""
        return few_shot_scenes(examples, shots, seed)

    def replay(self, examples: Scenes, fraction: float, seed: int) -> Scenes:
        """A share of the scenes that hold each class, with all of their boxes."""
        return replay_scenes(examples, fraction, seed)

    def untouched_by(self, examples: Scenes, classes: Collection[int]) -> Scenes:
        """The scenes that show nothing of `classes`: what stays without its box would be taught as background."""
        return examples.select(
            i
            for i, scene in enumerate(examples.scenes)
            if not any(box.label in classes for box in (*scene.boxes, *scene.crowds))
        )

    def cache(self, model: DetectionModel, entry: int = 0) -> SceneCache:
        """What passes the cut below a block."""
        return SceneCache(model, entry)

    def prototypes(self, cache: SceneCache, data: Available[Scenes], named: Collection[int], seed: int) -> Prototypes:
        """Mean features of matched queries."""
        others = set(range(len(data.forget.classes))) - set(named)
        return prototypes_of(cache, data.forget.without(others), data.replay.without(named))

    def context(
        self,
        cache: SceneCache,
        *,
        prototypes: Prototypes | None = None,
        seed: int = 0,
        report: Callable[[Progress], None] = silent,
        memory: Memory | None = None,
    ) -> SceneContext:
        """Scenes; there is no memory of detectors."""
        return SceneContext(cache.model, cache, prototypes, seed, report)
