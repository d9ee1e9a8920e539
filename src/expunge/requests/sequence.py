"""Carries out requests one after another on one model, and measures each.

The order of things: what a method may see is cut out of the training split; the untouched model is measured once; then
for each request the method makes an edit, the edit goes on the stack, and the test split is measured again.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from expunge.adapters import Edit, EditStack
from expunge.data import Splits
from expunge.evidence import Metrics, RequestMetrics, Work, measure_baseline, measure_request
from expunge.evidence.metrics import Groups, ImagesUsed, ModelInfo, Parameters
from expunge.memory import Memory
from expunge.methods import ForgetTask, Method, Progress
from expunge.methods.plan import Plan, check_images
from expunge.methods.protocol import uses_memory
from expunge.methods.sequence import Forgetting, available
from expunge.vision import VisionModel


@dataclass(frozen=True)
class Stage:
    """Where a run is, for whoever shows it: a `name`, and the progress inside it."""

    name: str
    progress: Progress


@dataclass(frozen=True)
class Result:
    """What one request left behind.

    Attributes:
        edit: The change it made.
        metrics: Its figures.
        logits: (n, classes) of the test images after it.
    """

    edit: Edit
    metrics: RequestMetrics
    logits: Tensor


class SequenceRun:
    """One model under a sequence of requests.

    Attributes:
        stack: The model with the edits made so far.
        baseline_logits: (n, classes) of the test images under the untouched model.
    """

    def __init__(
        self,
        model: VisionModel,
        splits: Splits,
        plan: Plan,
        method: Method,
        *,
        shots: int | None = None,
        replay_fraction: float = 1.0,
        seed: int = 0,
        memory: Memory | None = None,
        report: Callable[[Stage], None] = lambda stage: None,
    ):
        """Checks that the plan can be carried out; nothing is computed yet."""
        check_images(plan, splits, memory.known if memory is not None and uses_memory(method) else ())
        self.stack = EditStack(model)
        self._plan, self._method, self._seed, self._report = plan, method, seed, report
        data = available(splits.train, splits.validation, plan, shots=shots, fraction=replay_fraction, seed=seed)
        self._forgetting = Forgetting(self.stack, plan, method, data, seed=seed, memory=memory)
        self._test = splits.test
        self._labels = torch.tensor(splits.test.labels, dtype=torch.int64)
        self.baseline_logits = torch.empty(0)

    def prepare(self) -> Metrics:
        """Measures the untouched model and, where the method wants them, takes its prototypes."""
        model = self.stack.model
        self.baseline_logits = self._test_logits("measuring the original model")
        self._forgetting.prepare()
        return Metrics(
            model=ModelInfo(name=model.name, sha256=model.digest(), classes=model.classes),
            method=self._method.name,
            seed=self._seed,
            baseline=measure_baseline(self.baseline_logits, self._labels),
        )

    def replay_edits(self, edits: Sequence[Edit]) -> list[Tensor]:
        """Puts edits of an earlier, interrupted run back on; returns the test logits after each."""
        logits = []
        for number, edit in enumerate(edits, start=1):
            self.stack.push(edit)
            logits.append(self._test_logits(f"restoring request {number}"))
        return logits

    def run(self) -> Iterator[Result]:
        """Carries out the requests that are not on the stack yet, one a step."""
        for number in range(len(self.stack.edits), len(self._plan.requests)):
            yield self._carry_out(number)

    def _carry_out(self, number: int) -> Result:
        name = f"request {number + 1} of {len(self._plan.requests)}"
        started = time.perf_counter()
        edit = self._forgetting.carry_out(number, lambda progress: self._report(Stage(name, progress)))
        seconds = time.perf_counter() - started
        logits = self._test_logits(f"measuring {name}")
        return Result(edit, self._measure(number, self._forgetting.task(number), edit, logits, seconds), logits)

    def _measure(self, number: int, task: ForgetTask, edit: Edit, logits: Tensor, seconds: float) -> RequestMetrics:
        model = self.stack.model
        edited = sum(any(name.startswith(f"{block.name}.") for name in edit.touched) for block in model.blocks)
        work = Work(
            images=ImagesUsed(forget=len(task.forget), retain=len(task.retain)),
            groups=Groups(total=len(model.blocks), kept=edited),
            parameters=Parameters(edited=edit.parameters, total=model.num_parameters),
            bytes=edit.bytes,
            seconds=seconds,
        )
        return measure_request(
            self.baseline_logits,
            logits,
            self._labels,
            classes=model.classes,
            forget=task.targets,
            retain=self._plan.retained(number, len(model.classes)),
            earlier=task.forgotten,
            missing=self._plan.missing,
            work=work,
        )

    def _test_logits(self, name: str) -> Tensor:
        total, done = len(self._test), 0

        def tell(count: int) -> None:
            nonlocal done
            done += count
            self._report(Stage(name, Progress(done, total)))

        return self._forgetting.activations.outputs(self._test, tell).logits
