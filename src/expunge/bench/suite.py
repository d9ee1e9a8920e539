"""Suites on classifiers, and suites by name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import entry_points
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from torch import nn

from expunge.bench.benchmark import Benchmark, Setting
from expunge.data import Images, Splits, limited
from expunge.errors import BenchError, ExpungeError
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
        train: Trains the models of other seeds, and oracles.
    """

    task: ClassVar[str] = VisionModel.task
    always: ClassVar[tuple[str, ...]] = ("forgetting", "rows-in-place")
    batch: ClassVar[int] = 250

    load: Callable[[], Splits]
    base: Callable[[], VisionModel]
    train: Train

    def limited(self, examples: Images, each: int, seed: int) -> Images:
        """See `expunge.data.limited`."""
        return limited(examples, each, seed)

    def learn(
        self, examples: Images, forgotten: Sequence[int], seed: int, start: VisionModel | None, folder: Path
    ) -> nn.Module:
        """Result of `train` on the images of all other classes."""
        return self.train(examples.without(forgotten), seed, start).module

    def learnt(self, examples: Images, forgotten: Sequence[int]) -> int:
        """Images of all other classes."""
        return len(examples.without(forgotten))

    def learns_from(self, examples: Images) -> Mapping[str, str]:
        """By the names of all training images."""
        names = "\n".join(sample.name for sample in examples.samples)
        return {"images": sha256(names.encode(errors="surrogatepass")).hexdigest()}


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


__all__ = ["Benchmark", "Setting", "Suite", "Train", "find_suite", "suite_names"]
