"""What the rooms of a workspace must know of its kind of model: one object, chosen once, in place of many questions."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, TypeVar, runtime_checkable

from expunge.data.examples import Examples
from expunge.evidence.policy import Policy
from expunge.evidence.scorecard import Scorecard
from expunge.ledger import DataFacts
from expunge.lifecycle.asked import Asked
from expunge.lifecycle.material import Material
from expunge.lifecycle.standing import Standing
from expunge.methods import Method
from expunge.runs.run import Stage
from expunge.tasks import task_of
from expunge.tasks.scores import Share
from expunge.vision import Wrapped
from expunge.workspace import Workspace

Report = Callable[[Stage], None]
M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Shares:
    """What the whole history comes to.

    Attributes:
        kept: The served model's rate on the classes that stay.
        original: The original's on the same.
        masked: The original's with all forgotten classes struck from its head.
        earlier: The served model's on the classes of each edit.
    """

    kept: Share
    original: Share
    masked: Share
    earlier: tuple[Share, ...]


@runtime_checkable
class Kind(Protocol):
    """A kind of model. Models, material and methods are always of one kind: those that it makes itself.

    Attributes:
        task: What its records call the task; None for classification, which they do not name.
        exports: Whether its releases can be written as ONNX files, too.
    """

    task: ClassVar[Literal["detection"] | None]
    exports: ClassVar[bool]

    def keys(self) -> frozenset[str]:
        """Every row of a scorecard that a policy for this kind may name."""
        ...

    def make_method(self, asked: Asked) -> Method:
        """The method that is asked for.

        Raises:
            MethodError: There is none of that name for this kind, or its settings are unusable.
        """
        ...

    def lowest_block(self, workspace: Workspace, method: Any) -> int:
        """Index of the lowest block that deeper settings may lead to."""
        ...

    def gather(
        self,
        workspace: Workspace,
        requests: Sequence[str],
        gone: Sequence[str],
        classes: Sequence[str],
        data: str,
        seed: int,
    ) -> Material[Any, Any]:
        """What a plan's method and its evidence work with; see `expunge.lifecycle.material.gather`.

        Raises:
            DataError: The data cannot be read, or are not what this kind of model takes.
        """
        ...

    def remembered(self, workspace: Workspace, method: Any, gone: Sequence[str]) -> tuple[DataFacts, ...]:
        """What a method had from the workspace's memory, as a record of used data."""
        ...

    def forgetting(
        self,
        workspace: Workspace,
        model: Any,
        base: Sequence[Standing],
        targets: Sequence[str],
        material: Any,
        method: Any,
        seed: int,
    ) -> Any:
        """The sequence of all edits so far and one more, ready to be carried out: see `expunge.methods.sequence`.

        Raises:
            RequestError: The targets cannot be forgotten.
            DataError: A target has nothing to learn from, or nothing to be tested with.
        """
        ...

    def states(self, model: Any, entry: int) -> Any:
        """Hidden states of the model as it stands, kept from block `entry` on."""
        ...

    def measure(
        self,
        workspace: Workspace,
        original: Any,
        edited: Any,
        material: Any,
        rules: Policy,
        *,
        targets: Sequence[str],
        earlier: Sequence[str],
        seed: int,
        report: Report,
    ) -> Scorecard:
        """Takes the evidence that the rules ask for, and all that is quick, beside the workspace's strangers."""
        ...

    def shares(self, model: Any, original: Any, data: str, groups: Sequence[Sequence[int]], seed: int) -> Shares:
        """The rates of the cumulative watch, on test data alone.

        Args:
            model: The model that is served.
            original: The model before any edit.
            data: What was given with the newest edit.
            groups: Classes of each edit.
            seed: Seed of the data.
        """
        ...


def wanted(measures: Iterable[M], rules: Policy) -> list[M]:
    """Of all measures the quick ones, judged or not, and the slow ones that a policy's rules ask for."""
    keys = {rule.key for rule in rules.rule if rule.when != "oracle"}
    every: Iterable[Any] = measures
    return [one for one in every if not one.slow or keys & set(one.labels)]


def shares_of(model: Wrapped, original: Wrapped, test: Examples, groups: Sequence[Sequence[int]]) -> Shares:
    """The rates of the cumulative watch on test data in the model's class order; see `Kind.shares`."""
    task = task_of(original)
    gone = sorted({label for group in groups for label in group})
    kept = [label for label in range(len(model.classes)) if label not in gone]
    now, before = (task.look(cache, test) for cache in task.caches([model, original]))
    served, originally, masked = (task.scores(one, test) for one in (now, before, task.struck(before, gone)))
    return Shares(
        *(one.rate(kept) for one in (served, originally, masked)), earlier=tuple(served.rate(group) for group in groups)
    )
