"""What a suite is: a model, data, requests in order, and how to train an oracle for them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from expunge.bench.benchmark import Benchmark, CellStand, Setting
from expunge.bench.results import ANCHORS, FINETUNE, ORIGINAL, SCRATCH
from expunge.bench.tuned import SMALL, tuned_settings
from expunge.data import Images, Splits, few_shot
from expunge.errors import BenchError, ExpungeError
from expunge.evidence import measure_names
from expunge.methods import method_class, method_names
from expunge.vision import VisionModel

GROUP = "expunge.suites"


@runtime_checkable
class Train(Protocol):
    """Trains a model on images, as the suite's own model was trained."""

    def __call__(self, images: Images, seed: int, start: VisionModel | None) -> VisionModel:
        """Goes on from `start`, or starts where the suite's own training started."""
        ...


@dataclass(frozen=True, kw_only=True)
class Suite(Benchmark):
    """A suite on classifiers; only what `Benchmark` does not list is listed here.

    Attributes:
        load: The images: what training, methods and tests draw from. No model that `train` makes has seen a validation
            image; a base model that was made elsewhere may have.
        base: Builds the model before any request, of training seed 0; an untrained one like it if not `shipped`.
        train: Trains the models of other seeds, and oracles.
        shipped: Whether `base` has a checkpoint to read. If not, the model of seed 0 is trained like the others.
        one_base: Whether all seeds share the model of seed 0, because another costs too much.
        chosen: Where the settings are kept that were chosen for each method; see `expunge.bench.tuned`.
        shadows: Shadow models a side, for U-LiRA; 0 for none. Each has a base model of its own.
        strangers: Loads images of classes that no model of the suite has seen, of the kind of its own; None if there
            are none. Evidence is given as many of each class as of the suite's own.
        taken: Names of the measures that are taken; empty for all that are installed.

    Raises:
        BenchError: There are to be shadows, and one base model for all seeds.
    """

    always: ClassVar[tuple[str, ...]] = ("forgetting", "rows-in-place")

    load: Callable[[], Splits]
    base: Callable[[], VisionModel]
    train: Train
    shipped: bool = True
    one_base: bool = False
    chosen: Path = SMALL
    shadows: int = 0
    strangers: Callable[[], Splits] | None = None
    taken: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.shadows and self.one_base:
            raise BenchError(f"suite {self.name!r}: shadows need base models of their own, not one_base")

    def rows(self) -> tuple[str, ...]:
        """Four anchors first, then every installed method."""
        return (
            ORIGINAL,
            SCRATCH,
            FINETUNE,
            "head-mask",
            *(m for m in method_names(VisionModel.task) if m != "head-mask"),
        )

    def check_row(self, name: str) -> None:
        """Makes sure that a row can be run.

        Raises:
            MethodError: It is neither an anchor nor a method.
        """
        if name not in ANCHORS:
            method_class(name)

    def measures(self) -> tuple[str, ...]:
        """Names of all installed measures that this suite takes, sorted."""
        return tuple(name for name in measure_names() if not self.taken or name in self.taken)

    def decides(self) -> dict[str, object]:
        """See `Benchmark.decides`; where there are shadows, strangers or chosen measures, how many and which, too."""
        shadows = {"shadows": self.shadows} if self.shadows else {}
        strangers = {"strangers": self.strangers().classes} if self.strangers else {}
        chosen = {"measures": self.measures()} if self.taken else {}
        return super().decides() | shadows | strangers | chosen

    def tuned(self, method: str) -> Mapping[str, object]:
        """What `scripts/tune.py` chose."""
        return tuned_settings(method, self.chosen)

    def open(self, models: Path) -> Callable[[str, int], CellStand]:
        """Reads the images; see `Benchmark.open`."""
        from expunge.bench.stand import make_stand  # stands know suites

        splits = self.load()
        return lambda setting, seed: make_stand(self, setting, seed, models, splits)


def limited(images: Images, per_class: int, seed: int) -> Images:
    """At most `per_class` images of each class, drawn by `seed`; 0 for all."""
    if not per_class:
        return images
    scarce = [label for label, count in enumerate(images.counts()) if 0 < count <= per_class]
    rich = few_shot(images.without(scarce), per_class, seed) if len(scarce) < len(images.classes) else None
    parts = [images.only(scarce), *([rich] if rich is not None else [])]
    samples = tuple(sample for part in parts for sample in part.samples)
    return Images(samples, tuple(label for part in parts for label in part.labels), images.classes)


def suite_names() -> tuple[str, ...]:
    """Names of all installed suites, sorted."""
    return tuple(sorted(point.name for point in entry_points(group=GROUP)))


def find_suite(name: str, *, quick: bool = False) -> Benchmark:
    """The suite of that name: an entry point of `expunge.suites`, a function of `quick` that returns a `Benchmark`.

    Args:
        name: Its name.
        quick: A tiny version that runs in seconds, to see that everything works.

    Raises:
        BenchError: There is none, or the entry point does not give a suite.
        ExpungeError: The suite itself says what it lacks.
    """
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        raise BenchError(f"unknown suite {name!r}; installed: {', '.join(sorted(points)) or 'none'}")
    try:
        suite = points[name].load()(quick)
    except ExpungeError:
        raise
    except Exception as error:
        raise BenchError(
            f"suite {name!r} ({points[name].value}) is broken: {type(error).__name__}: {error}. "
            "Mend or uninstall the package that brings it."
        ) from error
    if not isinstance(suite, Benchmark):
        raise BenchError(
            f"suite {name!r} ({points[name].value}) gave {type(suite).__name__}; expected a Benchmark, such as Suite"
        )
    return suite


__all__ = ["Benchmark", "Setting", "Suite", "Train", "find_suite", "limited", "suite_names"]
