"""Base of all suites, whatever the task: a model, data, requests, and how to train an oracle for them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from expunge.bench._results import FINETUNE, ORIGINAL, SCRATCH
from expunge.bench.tuned import SMALL, tuned_settings
from expunge.data import Splits
from expunge.errors import BenchError
from expunge.evidence import Reading, measure_names
from expunge.methods import method_class, method_names
from expunge.tasks import Budget, Plan, find_task, make_plan

Taken = tuple[Sequence[Reading], Mapping[str, str]]
"""The readings, and measure -> why it was not taken."""


LATER = frozenset(
    {
        "answers",
        "harmless-tuning",
        "inversion",
        "nearest-centre",
        "pruning",
        "rows-in-place",
        "steering",
        "strangers",
    }
)
"""Measures that came after cells had been committed. They add rows to a cell and change none that are there, so they do
not decide it, and cells that took days stay valid."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Data that methods are given: one setting of a suite.

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

    @property
    def budget(self) -> Budget:
        """The same for whoever cuts the data; which classes are missing is the plan's to say."""
        return Budget(shots=self.shots, replay=self.replay)


@dataclass(frozen=True)
class OracleTaken:
    """Record of an oracle.

    Attributes:
        taken: Its readings.
        images: How many training images it learned from.
        seconds: How long its training took, whenever that was.
    """

    taken: Taken
    images: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Benchmark(ABC):
    """Fields and steps that all suites have.

    Attributes:
        name: Its name in tables and on the command line.
        summary: One line on model, data and requests.
        requests: Class names of each request, in order.
        settings: What is tried, the main one first.
        load: The examples: what training, methods and tests draw from. No model that is trained here has seen a
            validation example; a base model that was made elsewhere may have.
        base: Builds the model before any request, of training seed 0; an untrained one like it if not `shipped`.
        recipe: Everything that decides what models come out of training, as plain values; part of the cache's key.
        pool: Training examples a class that an operator still holds, of which settings take their part; 0 for all.
        attack: Training images a class, or objects, that evidence may learn from; 0 for all.
        test: Test examples a class that evidence counts; 0 for all.
        checkpoints: Requests, from 1, after which all measures are taken; the rates are taken after every one.
        budget: Settings given to every method that has them, so that all get the same.
        shipped: Whether `base` has a checkpoint to read. If not, the model of seed 0 is trained like the others.
        one_base: Whether all seeds share the model of seed 0, because another costs too much.
        chosen: Where the settings are kept that were chosen for each method; see `expunge.bench.tuned`.
        shadows: Shadow models a side, for U-LiRA; 0 for none. Each has a base model of its own.
        strangers: Loads examples of classes that no model of the suite has seen, of the kind of its own; None if there
            are none. Evidence is given as many of each class as of the suite's own.
        taken: Names of the measures that are taken; empty for all that are installed.
        task: Name of the task that its models do.
        always: Measures that are taken after every request.
        anchors: Rows beside methods that it has.
        batch: Examples that run together where hidden states are taken once for all methods.
        part: Name of the submodule that is trained and kept; empty for the whole module.

    Raises:
        BenchError: There are to be shadows, and one base model for all seeds.
    """

    task: ClassVar[str]
    always: ClassVar[tuple[str, ...]]
    anchors: ClassVar[tuple[str, ...]] = (ORIGINAL, SCRATCH, FINETUNE)
    batch: ClassVar[int]

    name: str
    summary: str
    requests: tuple[tuple[str, ...], ...]
    settings: tuple[Setting, ...]
    load: Callable[[], Splits[Any]]
    base: Callable[[], Any]
    recipe: Mapping[str, object]
    pool: int = 0
    attack: int = 100
    test: int = 0
    checkpoints: tuple[int, ...] = (1,)
    budget: Mapping[str, object] = field(default_factory=dict)
    shipped: bool = True
    one_base: bool = False
    chosen: Path = SMALL
    shadows: int = 0
    strangers: Callable[[], Splits[Any]] | None = None
    taken: tuple[str, ...] = ()
    part: str = ""

    def __post_init__(self) -> None:
        if self.shadows and self.one_base:
            raise BenchError(f"suite {self.name!r}: shadows need base models of their own, not one_base")

    @abstractmethod
    def limited(self, examples: Any, each: int, seed: int) -> Any:
        """At most `each` examples of a class, drawn by `seed`; 0 for all."""

    @abstractmethod
    def learn(self, examples: Any, forgotten: Sequence[int], seed: int, start: Any, folder: Path) -> nn.Module:
        """Trains what is kept of a model, the whole or `part`, without `forgotten`.

        Args:
            examples: All training examples of the suite.
            forgotten: Classes that it may not learn.
            seed: Seeds it.
            start: The model to go on from; None to start where the suite's own training started.
            folder: What `prepare` gave.
        """

    def prepare(self, folder: Path) -> Path:
        """Computes what trainings read, where it is not there yet; counted for none of them.

        Args:
            folder: Where models are kept.

        Returns:
            The folder for it.
        """
        return folder

    @abstractmethod
    def learnt(self, examples: Any, forgotten: Sequence[int]) -> int:
        """Number of examples that a training without `forgotten` reads."""

    @abstractmethod
    def learns_from(self, examples: Any) -> Mapping[str, str]:
        """A name and a digest of what trainings read: part of the key under which models are kept."""

    def shared(self) -> Any:
        """A cache of the model that all settings and seeds use together; None where each has a model of its own."""
        return None

    def cache(self, model: Any, shared: Any) -> Any:
        """Through which another model than the bench's own is looked at once; `shared` is what `shared` gave."""
        return find_task(self.task).caches([model])[0]

    def rows(self) -> tuple[str, ...]:
        """Anchors first, then every installed method that applies."""
        return (*self.anchors, "head-mask", *(name for name in method_names(self.task) if name != "head-mask"))

    def check_row(self, name: str) -> None:
        """Makes sure that a row can be run.

        Raises:
            BenchError: It is an anchor that this suite has not.
            MethodError: It is no method that applies.
        """
        if name in Benchmark.anchors and name not in self.anchors:
            raise BenchError(f"suite {self.name!r} has no {name}; its rows: {', '.join(self.rows())}")
        if name not in self.anchors:
            method_class(name, task=self.task)

    def measures(self) -> tuple[str, ...]:
        """Names of all installed measures that this suite takes, sorted."""
        return tuple(name for name in measure_names(task=self.task) if not self.taken or name in self.taken)

    def tuned(self, method: str) -> Mapping[str, object]:
        """Settings that were chosen for a method, as far as they differ from its defaults."""
        return tuned_settings(method, self.chosen)

    def decides(self) -> dict[str, object]:
        """Plain values that decide its cells beside setting, method and seed: cells are kept by them."""
        optional = {
            "shadows": self.shadows,
            "strangers": self.strangers().classes if self.strangers else (),
            "measures": self.measures() if self.taken else (),
        }
        return {
            "requests": self.requests,
            "recipe": self.recipe,
            "pool": self.pool,
            "attack": self.attack,
            "test": self.test,
            "checkpoints": self.checkpoints,
            "budget": self.budget,
            "measures": tuple(name for name in self.measures() if name not in LATER),
            **{name: value for name, value in optional.items() if value},
        }

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

    def measures_after(self, number: int) -> tuple[str, ...]:
        """Names of the measures that are taken after request `number`, from 1."""
        return self.measures() if number in self.checkpoints else self.always


def _turn(seed: int, name: str) -> bytes:
    return sha256(f"{seed}/{name}".encode()).digest()
