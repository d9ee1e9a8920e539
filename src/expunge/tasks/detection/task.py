"""The task of object detectors: boxes with classes in scenes."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from expunge.data import Images, Scenes, Splits, few_shot_scenes, is_coco, replay_scenes
from expunge.memory import Memory, Prototypes
from expunge.tasks.detection.context import SceneContext
from expunge.tasks.detection.defaults import DEFAULTS, PRESETS
from expunge.tasks.detection.gathering import gather_scenes, scene_digests
from expunge.tasks.detection.prototypes import prototypes_of
from expunge.tasks.detection.scenes import align_scenes, check_sizes, read_scenes
from expunge.tasks.protocol import Task, silent
from expunge.tasks.request import Available, Gathered, Progress
from expunge.vision.detection import DetectionModel, holds_detector, load_detector, read_origin, read_own_weights
from expunge.vision.scene_states import SceneCache


class Detection(Task[DetectionModel, Scenes]):
    """Scenes with boxes; rates are AP50."""

    name: ClassVar[str] = DetectionModel.task
    noun: ClassVar[str] = "object detector"
    thing: ClassVar[str] = "object"
    example: ClassVar[str] = "scene"
    unit: ClassVar[str] = "AP50"
    defaults: ClassVar[Mapping[str, Mapping[str, object]]] = DEFAULTS
    presets: ClassVar[Mapping[str, Mapping[str, Mapping[str, object]]]] = PRESETS

    def recognises(self, folder: Path) -> bool:
        """An object detector of transformers, or what stands on a backbone of the zoo."""
        return holds_detector(folder)

    def load(self, source: str | Path) -> DetectionModel:
        """What `load_detector` loads."""
        return load_detector(source)

    def architecture(self, folder: Path) -> str | None:
        """What the detector is made from, if the directory holds the weights of its own alone."""
        origin = read_origin(folder)
        return None if origin is None else origin.architecture

    def restore(self, model: DetectionModel, folder: Path) -> DetectionModel:
        """The weights of its own."""
        return read_own_weights(model, folder)

    def lays_out(self, folder: Path) -> bool:
        """COCO's layout."""
        return is_coco(folder)

    def read(self, folder: Path, *, seed: int = 0, skip_unreadable: bool = False) -> Splits[Scenes]:
        """A folder in COCO's layout; the seed is for composed scenes."""
        return read_scenes(folder, skip_unreadable=skip_unreadable)

    def align(
        self, data: Splits[Scenes], classes: Sequence[str], *, partial: bool, untrained: Collection[str] | None = None
    ) -> Splits[Scenes]:
        """By names; a class may be tested and not trained."""
        return align_scenes(data, classes, partial=partial)

    def check(self, model: DetectionModel, data: Splits[Scenes]) -> None:
        """Pictures of all shapes must come to one size."""
        check_sizes(model, data)

    def gather(
        self,
        given: Splits[Scenes],
        submitted: Images,
        targets: Collection[int],
        earlier: Collection[int],
        seed: int,
    ) -> Gathered[Scenes]:
        """Scenes that hold the targets, among those given."""
        return gather_scenes(given, targets, earlier)

    def digests(self, examples: Scenes) -> Iterable[str]:
        """Of pictures and boxes."""
        return scene_digests(examples)

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
