"""Requests one after another on one classifier; see `expunge.runs.run`."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.adapters import EditStack
from expunge.data import Splits
from expunge.evidence import Metrics, RequestMetrics, Work, measure_baseline, measure_request
from expunge.evidence.metrics import ModelInfo
from expunge.memory import Memory
from expunge.methods import Method
from expunge.methods.protocol import uses_memory
from expunge.methods.sequence import Forgetting
from expunge.runs.run import Run, Stage
from expunge.tasks import Budget, available, task_of
from expunge.tasks.plan import Plan, check_examples
from expunge.tasks.request import Progress
from expunge.tasks.rows import HeadRows
from expunge.vision import ActivationCache, VisionModel


@dataclass(frozen=True, eq=False)
class Answers:
    """What a classifier says of the test images.

    Attributes:
        logits: What its own head makes of them.
        rows: What the original's head makes of the same embeddings.
    """

    logits: Float[Tensor, "n c"]
    rows: Float[Tensor, "n c"]


class SequenceRun(Run[VisionModel, Answers]):
    """One classifier under a sequence of requests; what is seen are its answers to the test images.

    What a method may see is cut out of the training split.
    """

    def __init__(
        self,
        model: VisionModel,
        splits: Splits,
        plan: Plan,
        method: Method,
        *,
        budget: Budget = Budget(),  # noqa: B008 - a frozen value
        seed: int = 0,
        memory: Memory | None = None,
        report: Callable[[Stage], None] = lambda stage: None,
    ):
        """Checks that the plan can be carried out; nothing is computed yet."""
        remembered = memory.known if memory is not None and uses_memory(method) else ()
        check_examples(plan, splits.train, splits.test, remembered=remembered)
        stack = EditStack(model)
        data = available(task_of(model), splits, plan, budget, seed=seed)
        forgetting = Forgetting(stack, plan, method, data, seed=seed, memory=memory)
        super().__init__(stack, forgetting, plan, method=method.name, seed=seed, report=report)
        self._activations: ActivationCache = forgetting.activations
        self._rows = HeadRows.of(model)
        self._test = splits.test
        self._labels = torch.tensor(splits.test.labels, dtype=torch.int64)

    def look(self, name: str) -> Answers:
        """Answers to the test images."""
        total, done = len(self._test), 0

        def tell(count: int) -> None:
            nonlocal done
            done += count
            self._report(Stage(name, Progress(done, total)))

        output = self._activations.outputs(self._test, tell)
        return Answers(output.logits, self._rows.read(output.embedding))

    def begun(self, model: ModelInfo, method: str, seed: int) -> Metrics:
        """With the untouched model's accuracy."""
        baseline = measure_baseline(self.original.logits, self._labels)
        return Metrics(model=model, method=method, seed=seed, baseline=baseline)

    def measured(self, number: int, seen: Answers, work: Work) -> RequestMetrics:
        """Accuracies."""
        classes, plan = self.stack.model.classes, self._plan
        return measure_request(
            self.original.logits,
            seen.logits,
            self._labels,
            classes=classes,
            forget=plan.requests[number],
            retain=plan.retained(number, len(classes)),
            earlier=plan.before(number),
            missing=plan.missing,
            work=work,
            rows=seen.rows,
        )
