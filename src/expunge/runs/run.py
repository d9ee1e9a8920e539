"""Requests carried out one after another on one model, and each measured: what classifiers and detectors share.

The order of things: the untouched model is looked at once; then for each request the method makes an edit, the edit
goes on the stack, and the model is looked at again. To look is to run the test data.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

from expunge.adapters import Edit, EditStack
from expunge.evidence import Metrics, RequestMetrics, Work
from expunge.evidence.metrics import Groups, ImagesUsed, ModelInfo, Parameters
from expunge.runs.outputs import RunFolder
from expunge.tasks.plan import Plan
from expunge.tasks.request import Progress
from expunge.tasks.trainable import AnyTask
from expunge.vision import Wrapped

S = TypeVar("S")
M = TypeVar("M", bound=Wrapped)


@dataclass(frozen=True)
class Stage:
    """Where a run is, for whoever shows it: a `name`, and the progress inside it."""

    name: str
    progress: Progress


@dataclass(frozen=True)
class Result(Generic[S]):
    """What one request left behind.

    Attributes:
        edit: The change it made.
        metrics: Its figures.
        seen: What the model says of the test data after it.
    """

    edit: Edit
    metrics: RequestMetrics
    seen: S


@runtime_checkable
class Steps(Protocol):
    """What carries out the requests of a plan; see `expunge.methods.sequence`."""

    def prepare(self) -> None:
        """Takes the original model's prototypes, where the method wants them."""
        ...

    def task(self, number: int) -> AnyTask:
        """Request `number`, from 0."""
        ...

    def carry_out(self, number: int, report: Callable[[Progress], None]) -> Edit:
        """Makes the edit for request `number` and puts it on the stack."""
        ...


class Run(ABC, Generic[M, S]):
    """A model M under a sequence of requests; S is what is seen of the test data.

    Attributes:
        stack: The model with the edits made so far.
        original: What the untouched model says of the test data; there once `prepare` has run.
    """

    original: S

    def __init__(
        self,
        stack: EditStack[M],
        forgetting: Steps,
        plan: Plan,
        *,
        method: str,
        seed: int,
        report: Callable[[Stage], None],
    ):
        """Nothing is computed yet."""
        self.stack = stack
        self._forgetting, self._plan = forgetting, plan
        self._method, self._seed, self._report = method, seed, report

    @abstractmethod
    def look(self, name: str) -> S:
        """Runs the test data and reports how far it is, as stage `name`."""

    @abstractmethod
    def begun(self, model: ModelInfo, method: str, seed: int) -> Metrics:
        """The metrics before any request, with the untouched model's figures."""

    @abstractmethod
    def measured(self, number: int, seen: S, work: Work) -> RequestMetrics:
        """The figures of request `number`, from 0."""

    def prepare(self) -> Metrics:
        """Looks at the untouched model and, where the method wants them, takes its prototypes."""
        model = self.stack.model
        self.original = self.look("measuring the original model")
        self._forgetting.prepare()
        info = ModelInfo(name=model.name, sha256=model.digest(), classes=model.classes, text_model=model.text_model)
        return self.begun(info, self._method, self._seed)

    def replay_edits(self, edits: Sequence[Edit]) -> list[S]:
        """Puts edits of an earlier, interrupted run back on; returns what is seen after each."""
        seen = []
        for number, edit in enumerate(edits, start=1):
            self.stack.push(edit)
            seen.append(self.look(f"restoring request {number}"))
        return seen

    def run(self) -> Iterator[Result[S]]:
        """Carries out the requests that are not on the stack yet, one a step."""
        for number in range(len(self.stack.edits), len(self._plan.requests)):
            name = f"request {number + 1} of {len(self._plan.requests)}"
            started = time.perf_counter()
            edit = self._forgetting.carry_out(number, lambda progress, name=name: self._report(Stage(name, progress)))
            seconds = time.perf_counter() - started
            seen = self.look(f"measuring {name}")
            yield Result(edit, self.measured(number, seen, self._work(number, edit, seconds)), seen)

    def carry_on(self, folder: RunFolder | None) -> tuple[Metrics, tuple[S, ...]]:
        """Does all that is left to do.

        Args:
            folder: Where finished requests are written at once; those already in it are not done again.

        Returns:
            The figures, and what is seen of the test data: by the original, then after each request.

        Raises:
            ResumeError: `folder` holds a run on another model.
            OutputError: `folder` cannot be written.
        """
        metrics = self.prepare()
        seen = [self.original]
        done = folder.metrics() if folder else None
        if folder and done:
            folder.check_model(done, metrics)
            metrics = done
            seen += self.replay_edits(folder.edits(len(done.requests)))
        for result in self.run():
            metrics = metrics.with_request(result.metrics)
            seen.append(result.seen)
            if folder:
                folder.add(result.edit, metrics)
        return metrics, tuple(seen)

    def _work(self, number: int, edit: Edit, seconds: float) -> Work:
        model, task = self.stack.model, self._forgetting.task(number)
        edited = sum(any(name.startswith(f"{block.name}.") for name in edit.touched) for block in model.blocks)
        return Work(
            images=ImagesUsed(forget=len(task.forget), retain=len(task.retain)),
            groups=Groups(total=len(model.blocks), kept=edited),
            parameters=Parameters(edited=edit.parameters, total=model.num_parameters),
            bytes=edit.bytes,
            seconds=seconds,
        )
