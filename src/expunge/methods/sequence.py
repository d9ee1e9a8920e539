"""Requests one after another on one model: what each method sees, and its edit on top of the earlier ones.

No test example comes in here. Whoever drives the sequence measures between the steps.
"""

from collections.abc import Callable
from typing import Any, Generic

from expunge.adapters import Edit, EditStack
from expunge.data import E
from expunge.errors import MemoryMismatchError
from expunge.memory import Memory, Prototypes
from expunge.methods.protocol import Method, uses_memory
from expunge.tasks import Available, ForgetTask, Plan, Progress, task_of


class Forgetting(Generic[E]):
    """One model under a sequence of requests.

    Attributes:
        stack: The model with the edits made so far.
        activations: The model's hidden states from the method's first block on.
        memory: Statistics of the classes that are not forgotten yet; None if none are kept or the method reads none.
    """

    def __init__(
        self,
        stack: EditStack[Any],
        plan: Plan,
        method: Method,
        data: Available[E],
        *,
        seed: int = 0,
        activations: Any = None,
        memory: Memory | None = None,
    ):
        """Nothing is computed yet; the model on `stack` must be the pristine one when `prepare` is called.

        `activations`, if given, must enter the model at or below the method's first block. `memory` must have been
        taken from the pristine model; see `Memory.check_model`.

        Raises:
            RequestError: The model has nothing of what is to be forgotten; see `Task.check_named`.
            MemoryMismatchError: The method edits blocks below those whose states the memory holds.
        """
        self.stack = stack
        self._task, first = task_of(stack.model), method.first_block(stack.model)
        self._task.check_named(stack.model, [c for request in plan.requests for c in request])
        self.activations: Any = self._task.cache(stack.model, first) if activations is None else activations
        self._plan, self._method, self._data, self._seed = plan, method, data, seed
        self._prototypes: Prototypes | None = None
        self.memory = memory if uses_memory(method) else None
        if self.memory is not None:
            self.memory.check_entry(first, method.name)

    @property
    def entry(self) -> int:
        """Index of the first block that edits may change."""
        return self.activations.entry

    def prepare(self) -> None:
        """Takes the original model's prototypes, where the method wants them."""
        if self._method.needs_prototypes:
            named = {c for request in self._plan.requests for c in request}
            self._prototypes = self._task.prototypes(self.activations, self._data, named, self._seed)

    def task(self, number: int) -> ForgetTask[E]:
        """Request number `number`, from 0, as the method sees it."""
        targets, forgotten = self._plan.requests[number], self._plan.before(number)
        return ForgetTask(
            targets=targets,
            forgotten=forgotten,
            forget=self._data.forget.only(targets),
            retain=self._data.replay.without({*targets, *forgotten}),
            validation=self._data.validation.without(forgotten),
        )

    def carry_out(self, number: int, report: Callable[[Progress], None] = lambda progress: None) -> Edit:
        """Makes the edit for request `number`, puts it on the stack, and drops its classes from the memory.

        Raises:
            MemoryMismatchError: An earlier edit changed blocks that the memory's states have passed already.
        """
        task = self.task(number)
        memory = None if self.memory is None else self.memory.without(task.forgotten)
        if memory is not None:
            self._check_untouched(memory.entry)
        context = self._task.context(
            self.activations, prototypes=self._prototypes, seed=self._seed + number, report=report, memory=memory
        )
        edit = self._method.forget(context, task)
        self.stack.push(edit)
        self.memory = None if memory is None else memory.without(task.targets)
        return edit

    def _check_untouched(self, entry: int) -> None:
        for block in self.stack.model.blocks[:entry]:
            if any(name.startswith(f"{block.name}.") for edit in self.stack.edits for name in edit.touched):
                raise MemoryMismatchError(
                    f"an earlier edit changed {block.name}, but the memory holds what enters block {entry} of the "
                    "original: go on without the memory, or calibrate at a greater depth"
                )
