"""What a suite on detectors is: one detector on a frozen backbone, scenes, and how to train an oracle for them."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from torch import nn

from expunge.bench.benchmark import Benchmark, CellStand
from expunge.bench.results import ANCHORS, FINETUNE, ORIGINAL, SCRATCH, Task
from expunge.bench.tuned import DETECTORS, tuned_settings
from expunge.data import Scenes, Splits
from expunge.errors import BenchError
from expunge.evidence import measure_names
from expunge.methods import method_class, method_names
from expunge.vision.detection import DetectionModel


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
        load: The scenes: what methods and tests draw from. The detector has seen no validation scene.
        base: Builds the detector before any request.
        part: Name of the submodule that is trained; the rest is frozen.
        train: Trains that part of an oracle.
        features: Computes what trainings read, where the folder does not hold it; counted for none of them.
        pictures: A digest of what scenes are made of; part of the key under which oracles are kept.
        scenes: How many scenes a training reads.
    """

    task: ClassVar[Task] = "detection"
    always: ClassVar[tuple[str, ...]] = ("average-precision", "rows-in-place")

    load: Callable[[], Splits[Scenes]]
    base: Callable[[], DetectionModel]
    part: str
    train: TrainDetector
    features: Callable[[Path], None]
    pictures: Callable[[], str]
    scenes: int

    def rows(self) -> tuple[str, ...]:
        """Three anchors first, then every installed method for detectors."""
        return (
            ORIGINAL,
            SCRATCH,
            "head-mask",
            *(name for name in method_names(DetectionModel.task) if name != "head-mask"),
        )

    def check_row(self, name: str) -> None:
        """Makes sure that a row can be run.

        Raises:
            BenchError: It is the anchor that suites on detectors have not.
            MethodError: It is neither an anchor nor a method for detectors.
        """
        if name == FINETUNE:
            raise BenchError(f"suite {self.name!r} has no {FINETUNE}; its rows: {', '.join(self.rows())}")
        if name not in ANCHORS:
            method_class(name, task=DetectionModel.task)

    def measures(self) -> tuple[str, ...]:
        """Names of all installed measures of detectors, sorted."""
        return measure_names(task="detection")

    def tuned(self, method: str) -> Mapping[str, object]:
        """What `scripts/tune_detectors.py` chose for the method."""
        return tuned_settings(method, DETECTORS)

    def open(self, models: Path) -> Callable[[str, int], CellStand]:
        """Reads the scenes and the detector; see `Benchmark.open`."""
        from expunge.bench.scenes.stand import opened  # stands know suites

        return opened(self, models)
