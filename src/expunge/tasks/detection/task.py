"""The task of object detectors: boxes with classes in scenes."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from expunge.data import Images, Scenes, Splits, few_shot_scenes, is_coco, replay_scenes
from expunge.errors import EvidenceError
from expunge.memory import Memory, Prototypes
from expunge.tasks.detection._defaults import DEFAULTS, PRESETS
from expunge.tasks.detection._gathering import gather_scenes, scene_digests
from expunge.tasks.detection._pictures import show_scenes
from expunge.tasks.detection._prototypes import prototypes_of
from expunge.tasks.detection._scenes import align_scenes, check_sizes, read_scenes
from expunge.tasks.detection.context import SceneContext
from expunge.tasks.detection.scores import Precisions
from expunge.tasks.detection.views import DetectionView, objects_in, observed
from expunge.tasks.protocol import Task, silent
from expunge.tasks.request import Available, Gathered, Progress
from expunge.tasks.rows import HeadRows
from expunge.tasks.shown import Shown
from expunge.tasks.views import Observed
from expunge.tasks.words import Words
from expunge.vision.detection import (
    DetectionModel,
    SceneCache,
    SceneView,
    holds_detector,
    load_detector,
    look,
    read_origin,
    read_own_weights,
    shared_caches,
)


class Detection(Task[DetectionModel, Scenes]):
    """Scenes with boxes; rates are AP50."""

    name: ClassVar[str] = DetectionModel.task
    noun: ClassVar[str] = "object detector"
    thing: ClassVar[str] = "object"
    example: ClassVar[str] = "scene"
    unit: ClassVar[str] = "AP50"
    alone: ClassVar[bool] = False
    batch: ClassVar[int] = 16
    most_each: ClassVar[int | None] = 40
    policy: ClassVar[str] = "detection"
    defaults: ClassVar[Mapping[str, Mapping[str, object]]] = DEFAULTS
    presets: ClassVar[Mapping[str, Mapping[str, Mapping[str, object]]]] = PRESETS

    @property
    def words(self) -> Words:
        """AP50 and objects."""
        return replace(
            super().words,
            interval="interval (bootstrap over scenes)",
            finds=("finds", "found"),
            counted="AP50 is COCO\u2019s: average precision where a box is right from an overlap (IoU) of one half on; "
            "of several classes, their mean.",
            unmeasured="how often a box under another name stands where a forgotten object is, of which the pictures "
            "show only some, nor whether\na forgotten class can be taught again from a few images, nor how far this "
            "detector is from one that never saw these classes.",
        )

    def recognises(self, folder: Path) -> bool:
        """An object detector of transformers, or what stands on a backbone of the zoo."""
        return holds_detector(folder)

    def load(self, source: str | Path) -> DetectionModel:
        """Loads a detector; see `load_detector`."""
        return load_detector(source)

    def architecture(self, folder: Path) -> str | None:
        """Architecture of the detector, if the directory holds the weights of its own alone."""
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

    def cache(self, model: DetectionModel, entry: int = 0, *, batch_size: int = 48) -> SceneCache:
        """Cached states at the cut below a block."""
        return SceneCache(model, entry, batch_size=batch_size)

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

    def caches(self, models: Sequence[DetectionModel]) -> tuple[SceneCache, ...]:
        """Detectors on one backbone share what it makes of each picture."""
        return shared_caches(models, batch_size=self.batch)

    def observe(self, cache: SceneCache, examples: Scenes) -> Observed:
        """The queries at the objects."""
        return observed(objects_in(cache, [examples]))

    def view(self, cache: SceneCache, attack: Scenes, test: Scenes) -> DetectionView:
        """The queries at objects to attack with, and all queries of the test scenes."""
        return DetectionView(objects_in(cache, [attack]), self.look(cache, test))

    def look(self, cache: SceneCache, test: Scenes, progress: Callable[[int], None] = lambda done: None) -> SceneView:
        """All queries with their features."""
        return look(cache, test, features=True, progress=progress)

    def struck(self, seen: SceneView, classes: Collection[int]) -> SceneView:
        """No query says one of the classes."""
        return seen.struck(classes)

    def in_place(self, seen: SceneView, rows: HeadRows, classes: Collection[int]) -> SceneView:
        """Every query is read by the rows of the other classifier, as far as they are rows of `classes`."""
        if seen.features is None:
            raise EvidenceError("Expected the features of all queries, to put rows back. Look with features=True.")
        logits, features = seen.logits.flatten(0, 1), seen.features.flatten(0, 1)
        return replace(seen, logits=rows.put_back(logits, features, classes).reshape(seen.logits.shape))

    def scores(self, seen: SceneView, test: Scenes) -> Precisions:
        """AP50."""
        return Precisions(seen.found(), test)

    def show(self, test: Scenes, seen: Sequence[SceneView], taken: Mapping[str, int]) -> Shown:
        """A few scenes, and what is said where forgotten objects are."""
        return show_scenes(test, seen, taken)
