"""Requests one after another on one model: what each method sees, and its edit on top of the earlier ones.

No test image comes in here. Whoever drives the sequence measures between the steps.
"""

from collections.abc import Callable
from dataclasses import dataclass

from expunge.adapters import Edit, EditStack
from expunge.data import Images, few_shot
from expunge.data import replay as replayed
from expunge.errors import MemoryMismatchError
from expunge.memory import Memory, Prototypes, compute_prototypes
from expunge.methods.plan import Plan
from expunge.methods.protocol import Context, ForgetTask, Method, Progress, uses_memory
from expunge.vision import ActivationCache


@dataclass(frozen=True)
class Available:
    """The part of the training data that methods may see: n-shot, replayed, without the missing classes.

    Attributes:
        forget: Images of a class for the request that names it.
        replay: Images of a class for the requests during which it stays.
        validation: Held-out training images.
    """

    forget: Images
    replay: Images
    validation: Images


def available(
    train: Images, validation: Images, plan: Plan, *, shots: int | None, replay: float, seed: int
) -> Available:
    """Cuts out what the methods may see under `plan`.

    With `shots`, every class has that many training images. `replay` is the part of what stays that
    is left; a class keeps all of its images for the request that names it.

    Raises:
        TooFewImagesError: A class has fewer training images than `shots`.
    """
    train = train.without(plan.missing)
    if shots is not None:
        train = few_shot(train, shots, seed)
    kept = replayed(train, replay, seed) if replay < 1.0 else train
    return Available(train, kept, validation.without(plan.missing))


class Forgetting:
    """One model under a sequence of requests.

    Attributes:
        stack: The model with the edits made so far.
        activations: The model's hidden states from the method's first block on.
        memory: Statistics of the classes that are not forgotten yet; None if none are kept or the method reads none.
    """

    def __init__(
        self,
        stack: EditStack,
        plan: Plan,
        method: Method,
        data: Available,
        *,
        seed: int = 0,
        activations: ActivationCache | None = None,
        memory: Memory | None = None,
    ):
        """Nothing is computed yet; the model on `stack` must be the pristine one when `prepare` is called.

        `activations`, if given, must enter the model at the method's first block. `memory` must have been taken from
        the pristine model; see `Memory.check_model`.

        Raises:
            MemoryMismatchError: The method edits blocks below those whose states the memory holds.
        """
        self.stack = stack
        self.activations = activations or ActivationCache(stack.model, method.first_block(stack.model))
        self._plan, self._method, self._data, self._seed = plan, method, data, seed
        self._prototypes: Prototypes | None = None
        self.memory = memory if uses_memory(method) else None
        if self.memory is not None:
            self.memory.check_entry(method.first_block(stack.model), method.name)

    @property
    def entry(self) -> int:
        """Index of the first block that edits may change."""
        return self.activations.entry

    def prepare(self) -> None:
        """Takes the original model's prototypes, where the method wants them."""
        if self._method.needs_prototypes:
            named = {c for request in self._plan.requests for c in request}
            gone, kept = self._data.forget.only(named), self._data.replay.without(named)
            images = gone + kept
            self._prototypes = compute_prototypes(self.activations, images, seed=self._seed)

    def task(self, number: int) -> ForgetTask:
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
        context = Context(
            model=self.stack.model,
            activations=self.activations,
            prototypes=self._prototypes,
            seed=self._seed + number,
            report=report,
            memory=memory,
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
