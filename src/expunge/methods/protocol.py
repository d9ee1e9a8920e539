"""Protocol of all forgetting methods, and the context that they are given.

A method sees the forget examples of one request, the replay of what is retained, and a validation split. It never sees
test data: there is no field for it.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

from expunge.adapters import Edit
from expunge.tasks import find_task

__all__ = ["EVERY_TASK", "IMAGES", "Method", "is_for", "uses_memory"]

IMAGES = "classification"
"""The task that is meant where nobody names one."""

EVERY_TASK: tuple[str, ...] = ()
"""Value of `tasks` of a method that asks its context for nothing but what every `Trainable` answers."""


@runtime_checkable
class Method(Protocol):
    """A forgetting method: a frozen dataclass whose fields are its settings.

    Attributes:
        name: What it is called on the command line.
        summary: One line on what it does.
        source: Paper or origin.
        presets: Named sets of settings, applied over the defaults.
        needs_prototypes: Whether the context's `prototypes` must be there.

    A method says for which tasks it is by `tasks: ClassVar[tuple[str, ...]]`, their names, or `EVERY_TASK`; one that
    says nothing is for image classifiers.

    A method that reads `Context.memory` also says `uses_memory: ClassVar[bool] = True`. It then gets requests without
    an image of a target, too, if the memory has statistics of it.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    presets: ClassVar[Mapping[str, Mapping[str, object]]]
    needs_prototypes: ClassVar[bool]

    def first_block(self, model: Any) -> int:
        """Index of the lowest block that the method may edit."""
        ...

    def forget(self, context: Any, task: Any) -> Edit:
        """Makes the edit that forgets `task.targets`, a `ForgetTask`. Leaves the model as it found it."""
        ...


def is_for(method: Method | type[Any], task: str) -> bool:
    """Whether a method, or its class, is for a task: made for it, or for one that it is like, and not unfit."""
    tasks, kind = getattr(method, "tasks", (IMAGES,)), find_task(task)
    return method.name not in kind.unfit and (not tasks or not {task, *kind.like}.isdisjoint(tasks))


def uses_memory(method: Method) -> bool:
    """Whether a method reads `Context.memory`."""
    return bool(getattr(method, "uses_memory", False))
