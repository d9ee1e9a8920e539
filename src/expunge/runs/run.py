"""Requests carried out one after another on one model, and each measured, whatever the model does.

The order of things: the untouched model is looked at once; then for each request the method makes an edit, the edit
goes on the stack, and the model is looked at again. To look is to run the test data.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from expunge.adapters import Edit, EditStack
from expunge.data import E, Splits
from expunge.evidence import (
    Groups,
    ImagesUsed,
    Metrics,
    ModelInfo,
    Parameters,
    RequestMetrics,
    Work,
    measure_baseline,
    measure_request,
)
from expunge.memory import Memory
from expunge.methods import Forgetting, Method, uses_memory
from expunge.runs.outputs import RunFolder
from expunge.tasks import Budget, HeadRows, Plan, Progress, Task, available, check_examples, task_of
from expunge.vision import Wrapped

M = TypeVar("M", bound=Wrapped)


@dataclass(frozen=True)
class Stage:
    """Stage of a run, for whoever shows it: a `name`, and the progress inside it."""

    name: str
    progress: Progress


@dataclass(frozen=True)
class Result:
    """Result of one request.

    Attributes:
        edit: The change it made.
        metrics: Its figures.
        seen: What the model says of the test data after it.
    """

    edit: Edit
    metrics: RequestMetrics
    seen: Any


class Run(Generic[M, E]):
    """A model under a sequence of requests.

    What a method may see is cut out of the training data.

    Attributes:
        stack: The model with the edits made so far.
        original: What the untouched model says of the test data, see `Task.look`; there once `prepare` has run.
    """

    original: Any

    def __init__(
        self,
        model: M,
        data: Splits[E],
        plan: Plan,
        method: Method,
        *,
        budget: Budget = Budget(),  # noqa: B008 - a frozen value
        seed: int = 0,
        memory: Memory | None = None,
        sha256: str | None = None,
        report: Callable[[Stage], None] = lambda stage: None,
    ):
        """Checks that the plan can be carried out; nothing is computed yet. `sha256`: digest of `model`, where known.

        Raises:
            DataError: A request has nothing to learn or to measure from, or a class has fewer examples than are asked
                for.
            ModelError: The model cannot be used on this data.
            MemoryMismatchError: The method edits blocks below those whose states the memory holds.
        """
        self._task: Task[M, E] = task_of(model)
        found = available(self._task, data, plan, budget, seed=seed)
        remembered = memory.known if memory is not None and uses_memory(method) else ()
        check_examples(plan, found.forget, data.test, self._task.thing, remembered)
        self._task.check(model, data)
        self.stack = EditStack(model)
        self._cache = self._task.cache(model, method.first_block(model), batch_size=self._task.batch)
        self._forgetting = Forgetting(
            self.stack, plan, method, found, seed=seed, activations=self._cache, memory=memory
        )
        self._plan, self._method, self._seed, self._report = plan, method.name, seed, report
        self._test, self._rows, self._sha256 = data.test, HeadRows.of(model), sha256

    def look(self, name: str) -> Any:
        """Runs the test data and reports how far it is, as stage `name`."""
        total, done = len(self._test), 0

        def tell(count: int) -> None:
            nonlocal done
            done += count
            self._report(Stage(name, Progress(done, total)))

        return self._task.look(self._cache, self._test, tell)

    def measured(self, number: int, seen: Any, work: Work) -> RequestMetrics:
        """The figures of request `number`, from 0."""
        plan, classes = self._plan, self.stack.model.classes
        forget, earlier = plan.requests[number], plan.before(number)
        gone = {*forget, *earlier}
        masked, alone = self._task.struck(self.original, gone), self._task.in_place(seen, self._rows, gone)
        before, after, mask, weights = (
            self._task.scores(one, self._test) for one in (self.original, seen, masked, alone)
        )
        return measure_request(
            before,
            after,
            mask,
            alone=weights,
            classes=classes,
            forget=forget,
            retain=plan.retained(number, len(classes)),
            earlier=earlier,
            missing=plan.missing,
            work=work,
        )

    def prepare(self) -> Metrics:
        """Looks at the untouched model and, where the method wants them, takes its prototypes."""
        model = self.stack.model
        self.original = self.look("measuring the original model")
        self._forgetting.prepare()
        sha256 = self._sha256 or model.digest()
        info = ModelInfo(name=model.name, sha256=sha256, classes=model.classes, text_model=model.text_model)
        baseline = measure_baseline(self._task.scores(self.original, self._test))
        task = self._task
        return Metrics(
            task=task.name, unit=task.unit, model=info, method=self._method, seed=self._seed, baseline=baseline
        )

    def replay_edits(self, edits: Sequence[Edit]) -> list[Any]:
        """Puts edits of an earlier, interrupted run back on; returns what is seen after each."""
        seen = []
        for number, edit in enumerate(edits, start=1):
            self.stack.push(edit)
            seen.append(self.look(f"restoring request {number}"))
        return seen

    def run(self) -> Iterator[Result]:
        """Carries out the requests that are not on the stack yet, one a step."""
        for number in range(len(self.stack.edits), len(self._plan.requests)):
            name = f"request {number + 1} of {len(self._plan.requests)}"
            started = time.perf_counter()
            edit = self._forgetting.carry_out(number, lambda progress, name=name: self._report(Stage(name, progress)))
            seconds = time.perf_counter() - started
            seen = self.look(f"measuring {name}")
            yield Result(edit, self.measured(number, seen, self._work(number, edit, seconds)), seen)

    def carry_on(self, folder: RunFolder | None) -> tuple[Metrics, tuple[Any, ...]]:
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
