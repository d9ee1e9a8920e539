"""What every suite is, whatever its models do: requests in order, settings, and where its cells are run."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

import torch

from expunge.adapters import Edit
from expunge.bench.results import Task
from expunge.errors import BenchError
from expunge.evidence import Reading
from expunge.tasks import Budget
from expunge.tasks.plan import Plan, make_plan
from expunge.tasks.trainable import AnyTask

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

    @property
    def budget(self) -> Budget:
        """The same for whoever cuts the data; which classes are missing is the plan's to say."""
        return Budget(shots=self.shots, replay=self.replay)


@runtime_checkable
class Steps(Protocol):
    """A sequence of requests on one model."""

    @property
    def entry(self) -> int:
        """Index of the first block that edits may change."""
        ...

    def carry_out(self, number: int) -> Edit:
        """Makes the edit of request `number`, from 0, and puts it on the model."""
        ...

    def task(self, number: int) -> AnyTask:
        """That request as the method sees it."""
        ...


@dataclass(frozen=True)
class OracleTaken:
    """What is known of an oracle.

    Attributes:
        taken: Its readings.
        images: How many training images it learned from.
        seconds: How long its training took, whenever that was.
    """

    taken: Taken
    images: int
    seconds: float


@runtime_checkable
class CellStand(Protocol):
    """Where the cells of one suite, setting and seed are run: what `run_cell` asks of it."""

    @property
    def suite(self) -> "Benchmark":
        """The suite."""
        ...

    @property
    def requests(self) -> tuple[tuple[int, ...], ...]:
        """Classes of each request, in order."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of all classes."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        ...

    def digest(self) -> str:
        """Digest of the weights of the model before any request; to be asked while it has no edit."""
        ...

    @property
    def oracles(self) -> Mapping[int, str]:
        """Request -> digest of the weights of the oracle-scratch that readings were compared with so far."""
        ...

    def forgetting(self, method: str, settings: Mapping[str, object]) -> AbstractContextManager[Steps]:
        """The requests carried out by a method with its own settings and the suite's budget over them.

        The edits are taken back in the end.
        """
        ...

    def of_original(self, number: int) -> Taken:
        """What is measured of the untouched model after request `number`, from 1."""
        ...

    def of_edited(self, number: int, entry: int) -> Taken:
        """The same of the model as it is now; no block below `entry` has been edited."""
        ...

    def of_oracle(self, kind: str, number: int) -> OracleTaken:
        """The same of an oracle; `kind` is one of the suite's rows."""
        ...


@dataclass(frozen=True, kw_only=True)
class Benchmark(ABC):
    """What all suites have.

    Attributes:
        name: Its name in tables and on the command line.
        summary: One line on model, data and requests.
        requests: Class names of each request, in order.
        settings: What is tried, the main one first.
        recipe: Everything that decides what models come out of training, as plain values; part of the cache's key.
        pool: Training images a class that an operator still holds, of which settings take their part; 0 for all. Scenes
            are counted over all classes.
        attack: Training images a class, or objects, that evidence may learn from; 0 for all.
        test: Test images a class that evidence counts; 0 for all. Scenes are counted over all classes.
        checkpoints: Requests, from 1, after which all measures are taken; accuracy is taken after every one.
        budget: Settings given to every method that has them, so that all get the same.
        task: What its models do, as cells say it.
        always: Measures that are taken after every request.
    """

    task: ClassVar[Task] = None
    always: ClassVar[tuple[str, ...]]

    name: str
    summary: str
    requests: tuple[tuple[str, ...], ...]
    settings: tuple[Setting, ...]
    recipe: Mapping[str, object]
    pool: int = 0
    attack: int = 100
    test: int = 0
    checkpoints: tuple[int, ...] = (1,)
    budget: Mapping[str, object] = field(default_factory=dict)

    @abstractmethod
    def rows(self) -> tuple[str, ...]:
        """Anchors first, then every installed method that applies."""

    @abstractmethod
    def check_row(self, name: str) -> None:
        """Makes sure that a row can be run.

        Raises:
            BenchError: It is an anchor that this suite has not.
            MethodError: It is no method that applies.
        """

    @abstractmethod
    def measures(self) -> tuple[str, ...]:
        """Names of all installed measures that apply, sorted."""

    @abstractmethod
    def tuned(self, method: str) -> Mapping[str, object]:
        """Settings that were chosen for a method, as far as they differ from its defaults."""

    @abstractmethod
    def open(self, models: Path) -> Callable[[str, int], CellStand]:
        """Reads the data, once for all cells.

        Args:
            models: The folder that trained models are kept in.

        Returns:
            (name of a setting, seed) -> where their cells are run.
        """

    def decides(self) -> dict[str, object]:
        """What decides its cells beside setting, method and seed, as plain values: cells are kept by it."""
        return {
            "requests": self.requests,
            "recipe": self.recipe,
            "pool": self.pool,
            "attack": self.attack,
            "test": self.test,
            "checkpoints": self.checkpoints,
            "budget": self.budget,
            "measures": tuple(name for name in self.measures() if name not in LATER),
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
