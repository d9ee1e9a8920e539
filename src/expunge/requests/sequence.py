"""Requests one after another on one classifier; see `expunge.requests.run`."""

from collections.abc import Callable

import torch
from torch import Tensor

from expunge.adapters import EditStack
from expunge.data import Splits
from expunge.evidence import Metrics, RequestMetrics, Work, measure_baseline, measure_request
from expunge.evidence.metrics import ModelInfo
from expunge.memory import Memory
from expunge.methods import Method, Progress
from expunge.methods.plan import Plan, check_images
from expunge.methods.protocol import uses_memory
from expunge.methods.sequence import Forgetting, available
from expunge.requests.run import Run, Stage
from expunge.vision import VisionModel


class SequenceRun(Run[VisionModel, Tensor]):
    """One classifier under a sequence of requests; what is seen are (n, classes) logits of the test images.

    What a method may see is cut out of the training split.
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
        stack = EditStack(model)
        data = available(splits.train, splits.validation, plan, shots=shots, fraction=replay_fraction, seed=seed)
        forgetting = Forgetting(stack, plan, method, data, seed=seed, memory=memory)
        super().__init__(stack, forgetting, plan, method=method.name, seed=seed, report=report)
        self._activations = forgetting.activations
        self._test = splits.test
        self._labels = torch.tensor(splits.test.labels, dtype=torch.int64)

    def look(self, name: str) -> Tensor:
        """Logits of the test images."""
        total, done = len(self._test), 0

        def tell(count: int) -> None:
            nonlocal done
            done += count
            self._report(Stage(name, Progress(done, total)))

        return self._activations.outputs(self._test, tell).logits

    def begun(self, model: ModelInfo, method: str, seed: int) -> Metrics:
        """With the untouched model's accuracy."""
        return Metrics(model=model, method=method, seed=seed, baseline=measure_baseline(self.original, self._labels))

    def measured(self, number: int, seen: Tensor, work: Work) -> RequestMetrics:
        """Accuracies."""
        classes, plan = self.stack.model.classes, self._plan
        return measure_request(
            self.original,
            seen,
            self._labels,
            classes=classes,
            forget=plan.requests[number],
            retain=plan.retained(number, len(classes)),
            earlier=plan.before(number),
            missing=plan.missing,
            work=work,
        )
