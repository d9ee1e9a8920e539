"""Base of suites on detectors: one detector on a frozen backbone, scenes, and how to train an oracle for them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from torch import nn

from expunge.bench._results import ORIGINAL, SCRATCH
from expunge.bench.benchmark import Benchmark
from expunge.bench.tuned import DETECTORS
from expunge.data import Scenes, Splits, limited_scenes
from expunge.vision import choose_device
from expunge.vision.detection import BorrowedStates, DetectionModel, SceneCache

FEATURES = "scene-features"
"""The folder beside the models for what the backbone gives."""


@runtime_checkable
class TrainDetector(Protocol):
    """Trains what stands on the backbone by the recipe of the suite's own detector."""

    def __call__(self, without: Collection[str], seed: int, features: Path) -> nn.Module:
        """Starts anew, without the boxes of some classes; `features` is the folder of what the backbone gives."""
        ...


@dataclass(frozen=True, kw_only=True)
class SceneSuite(Benchmark):
    """A suite on one detector, which all seeds share: they draw data, forget, train oracles and measure on their own.

    The backbone was trained before, on other pictures, and is frozen in the detector and in its oracles alike, so the
    oracle that starts anew differs from the original in nothing but what was learned from scenes. There is no
    `oracle-finetune`: to go on from the original would show how much fine-tuning forgets, at the price of as many
    trainings again.

    Only what `Benchmark` does not list is listed here.

    Attributes:
        train: Trains that part of an oracle.
        features: Computes what trainings read, where the folder does not hold it.
        pictures: A digest of what scenes are made of.
        scenes: How many scenes a training reads.
    """

    task: ClassVar[str] = DetectionModel.task
    always: ClassVar[tuple[str, ...]] = ("average-precision", "rows-in-place")
    anchors: ClassVar[tuple[str, ...]] = (ORIGINAL, SCRATCH)
    batch: ClassVar[int] = 16

    load: Callable[[], Splits[Scenes]]
    base: Callable[[], DetectionModel]
    one_base: bool = True
    chosen: Path = DETECTORS
    train: TrainDetector
    features: Callable[[Path], None]
    pictures: Callable[[], str]
    scenes: int

    def limited(self, examples: Scenes, each: int, seed: int) -> Scenes:
        """See `expunge.data.limited_scenes`."""
        return limited_scenes(examples, each, seed)

    def learn(self, examples: Scenes, forgotten: Sequence[int], seed: int, start: object, folder: Path) -> nn.Module:
        """Result of `train` on scenes without the boxes of `forgotten`."""
        return self.train([examples.classes[c] for c in forgotten], seed, folder)

    def prepare(self, folder: Path) -> Path:
        """Features of the backbone."""
        self.features(folder / FEATURES)
        return folder / FEATURES

    def learnt(self, examples: Scenes, forgotten: Sequence[int]) -> int:
        """The same for all: boxes go, scenes stay."""
        return self.scenes

    def learns_from(self, examples: Scenes) -> Mapping[str, str]:
        """By the pictures that scenes are composed of."""
        return {"pictures": self.pictures()}

    def shared(self) -> SceneCache:
        """The detector, and what its backbone makes of scenes: computed once a process."""
        return SceneCache(self.base().to(choose_device()), batch_size=self.batch)

    def cache(self, model: DetectionModel, shared: SceneCache) -> SceneCache:
        """An oracle stands on the same backbone."""
        return BorrowedStates(model, shared)
