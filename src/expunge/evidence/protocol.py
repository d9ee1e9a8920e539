"""Protocol of measures, and the case that they are given."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar, runtime_checkable

from jaxtyping import Bool
from torch import Tensor

from expunge.data import E
from expunge.errors import EvidenceError
from expunge.evidence.strangers.beside import Beside
from expunge.tasks import HeadRows, Observed, Task, View, Viewed, task_of

Aim = Literal["oracle", "high", "low", "context"]
"""Aim of a value: the oracle's own value from either side, as high or as low as can be, or no aim at all."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One measured number.

    Attributes:
        key: Name of the row, in snake case, e.g. `prototype_relearning_5`.
        value: The number, in `unit`.
        unit: "%", "nats", "bits", "steps", "ratio" or "1" for a plain number.
        n: How many images, or other trials, stand behind it.
        low: Lower end of the 95 % interval, in `unit`; None where none is defined.
        high: Upper end of the interval.
        aim: What a good value is.
    """

    key: str
    value: float
    unit: str
    n: int
    low: float | None = None
    high: float | None = None
    aim: Aim = "oracle"


@dataclass(frozen=True, eq=False)
class Shadows:
    """Models trained to stand for the two worlds that a likelihood-ratio attack tells apart.

    Attributes:
        forgotten: The attack images under models that were trained with the classes and then made to forget them.
        never: The same images under models that never saw the classes.
        members: Which of these images training learnt from, where an attacker has others, too; None for all.
    """

    forgotten: tuple[Observed, ...]
    never: tuple[Observed, ...]
    members: Bool[Tensor, " n"] | None = None


V = TypeVar("V", bound=Viewed)


@dataclass(frozen=True, eq=False)
class Case(Generic[V, E]):
    """One model under test, and everything a measure may look at; `V` is the task's view, `E` its kind of examples.

    Measures are run alike on the edited model, the original and the oracles: each time that model is `model`, and
    `view` is its view.

    Attributes:
        model: The model under test, live, on its device. Measures leave it as they found it.
        view: What it makes of the images, or scenes.
        original: The original model's view, from before the first request.
        oracle: The view of a model that never saw the forgotten classes; None where there is none.
        attack: Images, or scenes, behind `view.attack`.
        test: Images, or scenes, behind `view.test`.
        forget: Classes of the current request.
        earlier: Classes of earlier requests.
        retain: Classes that stay.
        missing: Those of `retain` of which no training image was available to the method.
        shadows: Shadow models, where somebody could afford them.
        seed: Seeds every random choice of the measure.
        rows: The head whose rows an attacker puts back: the original's; of an oracle, which no edit has made, its own.
            None where nobody kept it.
        beside: How the model's forgotten classes stand beside strangers, where there are any.
    """

    model: Any
    view: V
    original: V
    oracle: V | None
    attack: E
    test: E
    forget: tuple[int, ...]
    earlier: tuple[int, ...]
    retain: tuple[int, ...]
    missing: tuple[int, ...] = ()
    shadows: Shadows | None = None
    seed: int = 0
    rows: HeadRows | None = None
    beside: Beside | None = None

    @property
    def forgotten(self) -> tuple[int, ...]:
        """Classes of this and all earlier requests, sorted."""
        return tuple(sorted({*self.forget, *self.earlier}))

    @property
    def features(self) -> View:
        """The features of the model under test: of images, or of the objects in scenes."""
        return self.view.features

    @property
    def task(self) -> Task[Any, E]:
        """Task of the model."""
        return task_of(self.model)


EVERY_TASK = ("*",)
"""For `tasks` of a measure that looks at features alone: it can be taken of any model."""


@runtime_checkable
class Measure(Protocol):
    """A measure: a frozen dataclass whose fields are its settings.

    It may also say `tasks: ClassVar[tuple[str, ...]]`, the tasks whose models it can be taken of, or `EVERY_TASK`; one
    that does not is for classifiers.

    Attributes:
        name: Its name in tables and on the command line.
        summary: One line on what it asks.
        source: Paper or origin.
        slow: Whether it trains something or runs the model many times.
        labels: Row key -> short label for tables, for every key it can give.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    slow: ClassVar[bool]
    labels: ClassVar[Mapping[str, str]]

    def missing(self, case: Case) -> str | None:
        """Reason why it cannot be taken in this case ("needs an oracle", "no earlier request"), or None."""
        ...

    def measure(self, case: Case) -> tuple[Reading, ...]:
        """Takes it."""
        ...


def take(case: Case, measures: Iterable[Measure]) -> tuple[tuple[Reading, ...], Mapping[str, str]]:
    """Runs every measure on `case`; one that fails does not take the others with it.

    Returns:
        The readings of all measures in order, and measure name -> reason for those that cannot be taken here, or that
        found out on the way that they cannot.
    """
    readings: list[Reading] = []
    skipped: dict[str, str] = {}
    for measure in measures:
        reason = measure.missing(case)
        if reason is None:
            try:
                readings += measure.measure(case)
            except EvidenceError as error:
                reason = str(error)
        if reason is not None:
            skipped[measure.name] = reason
    return tuple(readings), skipped
