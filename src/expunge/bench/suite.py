"""What a suite is: a model, data, requests in order, and how to train an oracle for them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import entry_points
from typing import Protocol, runtime_checkable

from expunge.data import Images, Splits, few_shot
from expunge.errors import BenchError
from expunge.methods.plan import Plan, make_plan
from expunge.vision import VisionModel

GROUP = "expunge.suites"


@dataclass(frozen=True, slots=True)
class Setting:
    """What methods are given.

    Attributes:
        name: Its name in tables and on the command line.
        summary: One line for the page.
        shots: Training images a class; None for all there are.
        replay: Part of the retained classes' training images.
        missing: Part of the classes that stay to the end of which there is no image at all.
    """

    name: str
    summary: str
    shots: int | None = None
    replay: float = 1.0
    missing: float = 0.0


@runtime_checkable
class Train(Protocol):
    """Trains a model on images, as the suite's own model was trained."""

    def __call__(self, images: Images, seed: int, start: VisionModel | None) -> VisionModel:
        """Goes on from `start`, or starts where the suite's own training started."""
        ...


@dataclass(frozen=True)
class Suite:
    """One benchmark.

    Attributes:
        name: Its name in tables and on the command line.
        summary: One line on model, data and requests.
        requests: Class names of each request, in order.
        settings: What is tried, the main one first.
        load: The images: what training, methods and tests draw from. The model has seen no validation image.
        base: Builds the model before any request, of training seed 0; an untrained one like it if not `shipped`.
        train: Trains the models of other seeds, and oracles.
        shipped: Whether `base` has a checkpoint to read. If not, the model of seed 0 is trained like the others.
        one_base: Whether all seeds share the model of seed 0, because another costs too much.
        recipe: Everything that decides what `base` and `train` give, as plain values; part of the cache's key.
        pool: Training images a class that an operator still holds, of which settings take their part; 0 for all.
        attack: Training images a class that evidence may learn from.
        test: Test images a class that evidence counts; 0 for all.
        checkpoints: Requests, from 1, after which all measures are taken; accuracy is taken after every one.
        budget: Settings given to every method that has them, so that all get the same.
    """

    name: str
    summary: str
    requests: tuple[tuple[str, ...], ...]
    settings: tuple[Setting, ...]
    load: Callable[[], Splits]
    base: Callable[[], VisionModel]
    train: Train
    recipe: Mapping[str, object]
    shipped: bool = True
    one_base: bool = False
    pool: int = 0
    attack: int = 100
    test: int = 0
    checkpoints: tuple[int, ...] = (1,)
    budget: Mapping[str, object] = field(default_factory=dict)

    def setting(self, name: str) -> Setting:
        """The setting of that name.

        Raises:
            BenchError: There is none.
        """
        for setting in self.settings:
            if setting.name == name:
                return setting
        there = ", ".join(setting.name for setting in self.settings)
        raise BenchError(f"suite {self.name!r} has no setting {name!r}; it has: {there}")

    def plan(self, setting: Setting, classes: tuple[str, ...], seed: int) -> Plan:
        """The requests as indices, and the classes without images, drawn by `seed` among those that always stay."""
        named = {name for request in self.requests for name in request}
        stay = sorted((name for name in classes if name not in named), key=lambda name: _turn(seed, name))
        count = max(1, round(setting.missing * len(stay))) if setting.missing else 0
        return make_plan(classes, self.requests, stay[:count])


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


def find_suite(name: str, *, quick: bool = False) -> Suite:
    """The suite of that name: an entry point of `expunge.suites`, a function of `quick` that returns a `Suite`.

    Args:
        name: Its name.
        quick: A tiny version that runs in seconds, to see that everything works.

    Raises:
        BenchError: There is none, or the entry point does not give a suite.
    """
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        raise BenchError(f"unknown suite {name!r}; installed: {', '.join(sorted(points)) or 'none'}")
    suite = points[name].load()(quick)
    if not isinstance(suite, Suite):
        raise BenchError(f"suite {name!r} ({points[name].value}) gave {type(suite).__name__}; expected a Suite")
    return suite


def _turn(seed: int, name: str) -> bytes:
    return sha256(f"{seed}/{name}".encode()).digest()
